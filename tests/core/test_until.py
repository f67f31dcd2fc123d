"""Until when a raise lasts: spans as they pass, times of day as the owner's clock shows them."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from gateway.core.until import UntilError, until, until_words

BERLIN = ZoneInfo("Europe/Berlin")


def ms(text: str, zone: tzinfo = BERLIN) -> int:
    """A local time as milliseconds; a `*` says the second of two."""
    at = datetime.fromisoformat(text.removesuffix("*")).replace(tzinfo=zone, fold=int(text.endswith("*")))
    return int(at.timestamp()) * 1000


@pytest.mark.parametrize(
    ("text", "now", "over"),
    [
        ("2h", "2026-11-22T10:00", "2026-11-22T12:00"),
        ("90m", "2026-11-22T10:00", "2026-11-22T11:30"),
        (" 90 m", "2026-11-22T10:00", ""),
        ("90min", "2026-11-22T10:00", "2026-11-22T11:30"),
        ("1h30m", "2026-11-22T10:00", "2026-11-22T11:30"),
        ("1D 2H", "2026-11-22T10:00", "2026-11-23T12:00"),
        ("31d", "2026-11-22T10:00", "2026-12-23T10:00"),
        ("744h", "2026-11-22T10:00", "2026-12-23T10:00"),
        ("18:00", "2026-11-22T10:00", "2026-11-22T18:00"),
        ("9:05", "2026-11-22T10:00", "2026-11-23T09:05"),
        ("10:00", "2026-11-22T10:00", "2026-11-23T10:00"),
        ("00:00", "2026-11-22T10:00", "2026-11-23T00:00"),
        # The clocks are put forward on 29 March at 2:00 and back on 25 October at 3:00.
        ("24h", "2026-03-28T12:00", "2026-03-29T13:00"),
        ("1d", "2026-03-28T12:00", "2026-03-29T12:00"),
        ("24h", "2026-10-24T12:00", "2026-10-25T11:00"),
        ("1d", "2026-10-24T12:00", "2026-10-25T12:00"),
        ("2h", "2026-10-25T01:30", "2026-10-25T02:30*"),
        ("02:30", "2026-03-29T01:00", "2026-03-29T03:30"),
        ("02:30", "2026-03-29T03:15", "2026-03-29T03:30"),
        ("02:30", "2026-10-25T01:00", "2026-10-25T02:30"),
        ("02:30", "2026-10-25T02:45", "2026-10-25T02:30*"),
        ("02:30", "2026-10-25T02:45*", "2026-10-26T02:30"),
    ],
)
def test_a_time_to_come_is_read_by_the_owners_clock(text: str, now: str, over: str) -> None:
    """Hours pass, days and times of day go by the wall, whatever is done to the clocks."""
    if over:
        assert until(text, ms(now), BERLIN) == ms(over)
    else:
        with pytest.raises(UntilError):
            until(text, ms(now), BERLIN)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is not a time: write it like 2h, 90m, 1d or 18:00"),
        ("soon", "'soon' is not a time"),
        ("2", "'2' is not a time"),
        ("-2h", "'-2h' is not a time"),
        ("1.5h", "'1.5h' is not a time"),
        ("2h 18:00", "is not a time"),
        ("\u0662h", "is not a time"),
        ("9" * 100 + "h", "is not a time"),
        ("24:00", "'24:00' is not a time of day: write it from 00:00 to 23:59"),
        ("12:60", "'12:60' is not a time of day"),
        ("0m", "'0m' is over at once"),
        ("32d", "'32d' is longer than 31 days, the longest there is"),
        ("31d1m", "is longer than 31 days"),
        ("745h", "is longer than 31 days"),
        ("999999d", "is longer than 31 days"),
    ],
)
def test_what_nobody_can_have_meant_as_a_time_is_explained(text: str, words: str) -> None:
    """A clear sentence says what to write, and how long is too long."""
    with pytest.raises(UntilError) as refused:
        until(text, ms("2026-11-22T10:00"), BERLIN)
    assert words in str(refused.value)


def test_the_end_is_told_as_people_read_it() -> None:
    """The time, and the day where it is another one."""
    now = ms("2026-11-22T10:00")
    assert until_words(ms("2026-11-22T18:00"), now, BERLIN) == "until 18:00"
    assert until_words(ms("2026-12-01T08:05"), now, BERLIN) == "until Tue 1 Dec 08:05"
    assert until_words(ms("2026-11-22T23:30"), now, UTC) == "until 22:30"
