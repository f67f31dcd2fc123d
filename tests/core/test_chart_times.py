"""Marks on axes."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.chart_times import bar_ticks, days, hours, money_ticks, time_ticks
from gateway.domain.charts import Slot

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3_600_000
DAY = 24 * HOUR


def ms(*when: int, zone: ZoneInfo = BERLIN) -> int:
    """A time of the zone's clock."""
    return int(datetime(*when, tzinfo=zone).timestamp() * 1000)  # type: ignore[misc]


@given(st.integers(1, 10**15))
def test_there_are_few_round_amounts_and_at_least_one_beside_zero(top: int) -> None:
    """Evenly apart, none above the top, each with words of its own; never a negative zero."""
    ticks = money_ticks(top)
    amounts = [nano for nano, _ in ticks]
    step = amounts[1]
    assert 2 <= len(ticks) <= 5
    assert amounts == list(range(0, step * len(amounts), step))
    assert amounts[-1] <= top
    assert str(step).rstrip("0") in {"1", "2", "5"}
    assert len({words for _, words in ticks}) == len(ticks)


def test_from_fractions_of_a_cent_to_tens_of_thousands() -> None:
    """As they are read."""
    assert [words for _, words in money_ticks(448_000)] == ["$0", "$0.0001", "$0.0002", "$0.0003", "$0.0004"]
    assert [words for _, words in money_ticks(5_600_000_000)] == ["$0", "$2", "$4"]
    assert [words for _, words in money_ticks(44_800 * 10**9)] == ["$0", "$10k", "$20k", "$30k", "$40k"]


@given(st.integers(0, 4 * 10**12), st.integers(120_000, 20 * 365 * DAY))
def test_marks_of_time_are_few_in_order_and_between_the_ends(first: int, span: int) -> None:
    """At any time, for spans from two minutes to twenty years."""
    at = [ms for ms, _ in time_ticks(first, first + span, BERLIN)]
    assert len(at) <= 5
    assert at == sorted(set(at))
    assert all(first <= one <= first + span for one in at)


def test_times_are_those_of_the_persons_clock() -> None:
    """In minutes, in hours with the date at midnight, in days, in months."""
    first = ms(2026, 3, 2, 9, 4)
    assert [words for _, words in time_ticks(first, first + 101 * 60_000, BERLIN)] == ["09:30", "10:00", "10:30"]
    overnight = time_ticks(ms(2026, 3, 2, 14), ms(2026, 3, 3, 8), BERLIN)
    assert [words for _, words in overnight] == ["18:00", "3 Mar", "06:00"]
    week = time_ticks(ms(2026, 3, 2), ms(2026, 3, 9), BERLIN)
    assert [words for _, words in week] == ["3 Mar", "5 Mar", "7 Mar", "9 Mar"]
    assert all(words.endswith(("2026", "2027")) for _, words in time_ticks(ms(2026, 1, 1), ms(2027, 1, 1), BERLIN))


def test_an_hour_that_the_clock_leaves_out_is_not_marked_and_one_that_comes_twice_is_once() -> None:
    """The last Sundays of March and October."""
    spring = time_ticks(ms(2026, 3, 29, 0), ms(2026, 3, 29, 5), BERLIN)
    assert [words for _, words in spring] == ["00:00", "01:00", "03:00", "04:00", "05:00"]
    autumn = time_ticks(ms(2026, 10, 25, 1), ms(2026, 10, 25, 4), BERLIN, most=4)
    assert [words for _, words in autumn] == ["01:00", "02:00", "03:00", "04:00"]
    assert autumn[2][0] - autumn[1][0] == 2 * HOUR


@pytest.mark.parametrize(("day", "number"), [((2026, 3, 29), 23), ((2026, 3, 2), 24), ((2026, 10, 25), 25)])
def test_a_day_has_as_many_hours_as_its_clock(day: tuple[int, int, int], number: int) -> None:
    """From midnight to midnight, an hour apart; those at which bars are named are each named once."""
    found = hours(ms(*day, 12), BERLIN)
    assert (len(found), found[0]) == (number, ms(*day))
    assert [words for _, words in bar_ticks(found, Slot.HOUR, BERLIN)] == ["00:00", "06:00", "12:00", "18:00"]


def test_days_begin_at_midnight_also_where_the_clock_changes() -> None:
    """A week with a day of 23 hours, named by weekdays; a month, of which every seventh is named."""
    week = days(ms(2026, 3, 23, 12), 7, BERLIN)
    assert week[-1] == ms(2026, 3, 29)
    assert [words for _, words in bar_ticks(week, Slot.DAY, BERLIN)] == [
        "Mon",
        "Tue",
        "Wed",
        "Thu",
        "Fri",
        "Sat",
        "Sun",
    ]
    month = days(ms(2026, 3, 1), 31, BERLIN)
    named = bar_ticks(month, Slot.DAY, UTC)
    assert [n for n, _ in named] == [0, 7, 14, 21, 28]
    assert [words for _, words in bar_ticks(month, Slot.DAY, BERLIN)][:2] == ["1 Mar", "8 Mar"]
    assert len(bar_ticks(days(ms(2026, 1, 1), 365, BERLIN), Slot.DAY, BERLIN)) == 5
