"""The digest's times: written, read, and come."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.digest import Digest, DigestError, chosen, due
from gateway.domain.preferences import Preferences
from gateway.domain.spending import Period
from tests.core.make import UNHURRIED

CHAT = Preferences("telegram", "7", digest="08:30", digest_for="7", digest_told="2026-11-20")
BERLIN = ZoneInfo("Europe/Berlin")


def ms(text: str, zone: ZoneInfo | None = None) -> int:
    """A moment there, in milliseconds since 1970."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone or UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("08:30", "08:30"),
        ("8:05", "08:05"),
        ("daily 23:59", "23:59"),
        ("weekly mon 08:30", "weekly mon 08:30"),
        ("Weekly  SUN 0:00", "weekly sun 00:00"),
    ],
)
def test_a_time_is_read_as_people_write_it(written: str, words: str) -> None:
    """Of a day, or of one day of the week."""
    assert Digest.parse(written).words == words
    assert Digest.parse(words).words == words


@pytest.mark.parametrize(
    "written", ["", "24:00", "08:60", "8", "weekly 08:30", "weekly xyz 08:30", "daily mon 08:30", "noon", "08:30 mon"]
)
def test_what_is_no_time_is_refused(written: str) -> None:
    """With what was written."""
    with pytest.raises(DigestError, match="is no time for a digest"):
        Digest.parse(written)


def test_a_daily_one_is_about_the_day_before_and_a_weekly_one_about_seven() -> None:
    """The day itself is never part of it."""
    day = date(2026, 11, 23)
    assert Digest(time(8)).period(day) == Period(date(2026, 11, 22), date(2026, 11, 22))
    assert Digest(time(8), 0).period(day) == Period(date(2026, 11, 16), date(2026, 11, 22))


@pytest.mark.parametrize(
    ("chat", "now", "day"),
    [
        (CHAT, "2026-11-23T08:29:59", None),
        (CHAT, "2026-11-23T08:30", date(2026, 11, 23)),
        (CHAT, "2026-11-23T20:30", date(2026, 11, 23)),
        (CHAT, "2026-11-23T20:31", None),
        (replace(CHAT, digest_told="2026-11-23"), "2026-11-23T08:30", None),
        (replace(CHAT, digest_told=""), "2026-11-23T08:30", date(2026, 11, 23)),
        (replace(CHAT, digest="weekly mon 08:30"), "2026-11-23T09:00", date(2026, 11, 23)),
        (replace(CHAT, digest="weekly tue 08:30"), "2026-11-23T09:00", None),
        (replace(CHAT, digest="at dawn"), "2026-11-23T09:00", None),
    ],
)
def test_a_digest_is_due_from_its_time_on_for_twelve_hours_and_once(
    chat: Preferences, now: str, day: date | None
) -> None:
    """What an older day told does not count, and what cannot be read is never due."""
    found = due(chat, ms(now), UTC)
    assert (None if found is None else found[0]) == day


def test_a_time_that_is_skipped_comes_after_the_gap_and_one_that_comes_twice_the_first_time() -> None:
    """02:30 in Berlin on the last Sundays of March and October."""
    chat = replace(CHAT, digest="02:30", digest_told="2026-03-28")
    assert due(chat, ms("2026-03-29T01:59", BERLIN), BERLIN) is None
    assert due(chat, ms("2026-03-29T03:30", BERLIN), BERLIN) is not None
    first = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp() * 1000)
    autumn = replace(chat, digest_told="2026-10-24")
    assert due(autumn, first - 1, BERLIN) is None
    assert due(autumn, first, BERLIN) is not None
    assert due(replace(autumn, digest_told="2026-10-25"), first + 3_600_000, BERLIN) is None


def test_a_new_time_begins_with_its_next_time_and_tells_no_day_twice() -> None:
    """Also where it is later on a day that was told already; without one nobody is told."""
    now = ms("2026-11-23T10:00")
    told = replace(CHAT, digest_told="2026-11-23")
    assert chosen(told, replace(told, digest="11:00"), "7", now, UTC).digest_told == "2026-11-23"
    assert chosen(CHAT, replace(CHAT, digest="11:00"), "7", now, UTC).digest_told == "2026-11-22"
    assert chosen(CHAT, replace(CHAT, digest="09:00"), "", now, UTC) == replace(
        CHAT, digest="09:00", digest_for="", digest_told="2026-11-23"
    )
    assert chosen(CHAT, replace(CHAT, digest=""), "7", now, UTC) == replace(CHAT, digest="", digest_for="")


@UNHURRIED
@given(
    start=st.integers(ms("2026-03-27T00:00"), ms("2026-03-30T00:00")),
    steps=st.lists(st.integers(60_000, 6 * 3_600_000), min_size=1, max_size=40),
    at=st.times(),
    zone=st.sampled_from([UTC, BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Pacific/Apia")]),
)
def test_however_time_goes_on_no_day_is_told_twice(start: int, steps: list[int], at: time, zone: ZoneInfo) -> None:
    """Each day at most once, in order, and each that was looked for within twelve hours."""
    chat = chosen(CHAT, replace(CHAT, digest=f"{at:%H:%M}"), "7", start, zone)
    now, days = start, list[date]()
    for step in steps:
        now += step
        found = due(chat, now, zone)
        if found is not None:
            days.append(found[0])
            chat = replace(chat, digest_told=found[0].isoformat())
            assert due(chat, now, zone) is None
    assert days == sorted(set(days))
    assert all((later - earlier).days == 1 for earlier, later in pairwise(days))
