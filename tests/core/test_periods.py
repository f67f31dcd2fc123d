"""Days and ranges of days, as people name them and as clocks have them."""

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from gateway.core.periods import PeriodError, beginnings, day_of, on, period
from gateway.domain.spending import Period

TODAY = date(2026, 11, 23)
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("name", "since", "until", "first", "last"),
    [
        ("", "", "", date(2026, 10, 25), TODAY),
        ("month", "", "", date(2026, 10, 25), TODAY),
        ("week", "", "", date(2026, 11, 17), TODAY),
        ("today", "", "", TODAY, TODAY),
        ("all", "", "", None, TODAY),
        ("", "7d", "", date(2026, 11, 17), TODAY),
        ("", "0d", "", TODAY, TODAY),
        ("", "99999d", "", date(1753, 2, 9), TODAY),
        ("", "2026-11-01", "", date(2026, 11, 1), TODAY),
        ("", "2026-10", "", date(2026, 10, 1), date(2026, 10, 31)),
        ("", "2025-12", "", date(2025, 12, 1), date(2025, 12, 31)),
        ("", "2026-11", "", date(2026, 11, 1), TODAY),
        ("", "2026-10", "2026-11", date(2026, 10, 1), date(2026, 11, 30)),
        ("", "2026-10-05", "2026-10-05", date(2026, 10, 5), date(2026, 10, 5)),
        ("", "", "7d", None, date(2026, 11, 16)),
    ],
)
def test_a_period_is_what_people_mean_by_it(name: str, since: str, until: str, first: date | None, last: date):
    """`month` is thirty days with today, a month's own name is that month, and an end is the last day that counts."""
    assert period(name, since, until, TODAY) == Period(first, last)


def test_a_day_before_all_days_is_the_first_day_there_is():
    """So many days ago nobody had a calendar."""
    assert period("", "99999d", "", date(1, 1, 5)).first == date.min


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("yesterday", ""),
        ("2026-13", ""),
        ("2026-02-30", ""),
        ("\u0662026-11-01", ""),
        ("", "later"),
        ("2026-11-02", "2026-11-01"),
        ("9999-12", "9999-12"),
        ("2026-12-01", ""),
    ],
)
def test_what_is_no_period_is_refused_with_what_to_write(since: str, until: str):
    """The sentence names what is wrong."""
    with pytest.raises(PeriodError, match=r"write|check"):
        period("", since, until, TODAY)


def test_days_are_as_long_as_the_clocks_make_them():
    """In Berlin the 25th of October 2026 has 25 hours, the 29th of March 23."""
    autumn = beginnings(date(2026, 10, 24), date(2026, 10, 26), BERLIN)
    assert [(end - start) // HOUR for start, end in pairwise(autumn)] == [24, 25, 24]
    spring = beginnings(date(2026, 3, 29), date(2026, 3, 29), BERLIN)
    assert (spring[1] - spring[0]) // HOUR == 23
    assert on(autumn[0], BERLIN).isoformat() == "2026-10-24T00:00:00+02:00"


def test_a_day_whose_midnight_is_left_out_begins_when_the_clocks_go_on():
    """In Havana the 8th of March 2026 began at one o'clock."""
    (begins, _) = beginnings(date(2026, 3, 8), date(2026, 3, 8), ZoneInfo("America/Havana"))
    assert on(begins, UTC) == datetime(2026, 3, 8, 5, tzinfo=UTC)


def test_a_moment_is_on_one_day_or_on_none():
    """To the millisecond, over both changes of the clocks."""
    first = date(2026, 3, 1)
    begins = beginnings(first, date(2026, 11, 30), BERLIN)
    for day, begin, end in (
        (date(2026, 3, 29), begins[28], begins[29]),
        (date(2026, 10, 25), begins[238], begins[239]),
    ):
        assert {day_of(at, first, begins) for at in (begin, begin + HOUR, end - 1)} == {day}
        assert day_of(end, first, begins) != day
    assert all(day_of(at, first, begins) == on(at, BERLIN).date() for at in range(begins[0], begins[-1], 7 * HOUR // 2))
    assert day_of(begins[0] - 1, first, begins) is None
    assert day_of(begins[-1], first, begins) is None


def test_a_short_first_day_is_told_from_the_second():
    """Whoever begins with the day on which the clocks go on finds the next one an hour earlier."""
    first = date(2026, 3, 29)
    begins = beginnings(first, date(2026, 3, 31), BERLIN)
    assert day_of(begins[1], first, begins) == date(2026, 3, 30)


def test_a_long_first_day_is_told_from_the_second():
    """Whoever begins with the day on which the clocks go back has an hour more of it."""
    first = date(2026, 10, 25)
    begins = beginnings(first, date(2026, 10, 27), BERLIN)
    assert day_of(begins[1] - 1, first, begins) == first


def test_more_days_than_anybody_lives_are_refused():
    """Each of them would be a line."""
    with pytest.raises(PeriodError, match="--since"):
        beginnings(date(1900, 1, 1), TODAY, UTC)
