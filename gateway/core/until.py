"""Until when a raise is to last: `2h`, `90m`, `1d`, `1h30m`, or a time of day like `18:00`, in the owner's time zone."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

from gateway.view import figure_words

LONGEST = timedelta(days=31)
_SPAN = re.compile(r"(?:(?P<days>\d{1,6})d)?\s*(?:(?P<hours>\d{1,6})h)?\s*(?:(?P<minutes>\d{1,6})m(?:in)?)?", re.ASCII)
_TIME = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d{2})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = 40
_HOURS, _MINUTES = 24, 60


class UntilError(ValueError):
    """The text is no time to come that anyone can have meant; the message says what to write instead."""


def until(text: str, now_ms: int, zone: tzinfo) -> int:
    """When it is over, in milliseconds since 1970. Raises UntilError.

    Hours and minutes are counted as they pass. A day is the same time on the next one, a time of day the next one that
    comes, in `zone`: a time that the clocks skip counts as if they had not been put forward, and one that comes twice is the first
    of the two that is still to come.
    """
    clean = text.strip().lower()
    shown = repr(text.strip()[:_SHOWN])
    now = at(now_ms, zone)
    if time := _TIME.fullmatch(clean):
        over = _next(now, int(time["hour"]), int(time["minute"]), shown)
    elif clean and (span := _SPAN.fullmatch(clean)):
        days, hours, minutes = (int(span[name] or 0) for name in ("days", "hours", "minutes"))
        over = _later(now, days, timedelta(hours=hours, minutes=minutes), shown)
    else:
        raise UntilError(figure_words.no_time(shown))
    return (over - _EPOCH) // timedelta(milliseconds=1)


def until_words(until_ms: int, now_ms: int, zone: tzinfo) -> str:
    """`until 18:00`, and on another day `until Mon 23 Nov 18:00`."""
    return figure_words.until(at(until_ms, zone), at(now_ms, zone))


def at(at_ms: int, zone: tzinfo) -> datetime:
    """The moment as a clock in the zone shows it."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone)


def _later(now: datetime, days: int, rest: timedelta, shown: str) -> datetime:
    if days > LONGEST.days or timedelta(days=days) + rest > LONGEST:
        raise UntilError(figure_words.too_long(shown, LONGEST.days))
    if not days and not rest:
        raise UntilError(figure_words.over_at_once(shown))
    # Days go by the calendar, the rest by a clock that is never put forward or back.
    day = (now.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=now.tzinfo)
    return (day if days else now).astimezone(UTC) + rest


def _next(now: datetime, hour: int, minute: int, shown: str) -> datetime:
    if hour >= _HOURS or minute >= _MINUTES:
        raise UntilError(figure_words.no_time_of_day(shown))
    wall = now.replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
    days = [(wall + timedelta(days=day)).replace(tzinfo=now.tzinfo) for day in (0, 1)]
    # The second reading of a time that comes once is the same moment, and of one that the clocks skip it is an earlier one.
    readings = (max(day.astimezone(UTC), day.replace(fold=fold).astimezone(UTC)) for day in days for fold in (0, 1))
    return next(found for found in readings if found > now)
