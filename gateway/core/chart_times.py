"""Marks on axes: round amounts, round times in a person's time zone, and the hours and days of a period."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from gateway.domain.charts import Slot
from gateway.view import chart_words

_MINUTES: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)
_DAYS: Final = (1, 2, 3, 7, 14, 28, 91, 182, 364, 1820)
_DAY_MS: Final = 86_400_000
_LONG_DAYS: Final = 91
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def money_ticks(top_nano: int, most: int = 4) -> tuple[tuple[int, str], ...]:
    """Round amounts from 0 up to `top_nano` (above zero), at most `most` and the zero, with what stands beside them."""
    step = 1
    while top_nano // step > most:
        step = next(wide for wide in _steps(step) if wide > step)
    return tuple((nano, chart_words.tick(nano, step)) for nano in range(0, top_nano + 1, step))


def _steps(step: int) -> tuple[int, int, int]:
    scale = 10 ** (len(str(step)) - 1)
    return 2 * scale, 5 * scale, 10 * scale


def time_ticks(first_ms: int, last_ms: int, zone: tzinfo, most: int = 5) -> tuple[tuple[int, str], ...]:
    """Round times of the zone's own clock between two times, at most `most`, with what stands beside them.

    A time that a change of the clock leaves out is not marked, and one that it brings twice is marked once.
    """
    for minutes in _MINUTES:
        if last_ms - first_ms <= most * minutes * 60_000:
            return _spread(_of_clock(first_ms, last_ms, minutes, zone), most)
    days = next((days for days in _DAYS if last_ms - first_ms <= most * days * _DAY_MS), _DAYS[-1])
    return _spread(_of_calendar(first_ms, last_ms, days, zone), most)


def _spread(ticks: list[tuple[int, str]], most: int) -> tuple[tuple[int, str], ...]:
    return tuple(ticks[:: -(-len(ticks) // most) or 1])


def _of_clock(first_ms: int, last_ms: int, minutes: int, zone: tzinfo) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    begin = local(first_ms, zone)
    days = local(last_ms, zone).date().toordinal() - begin.date().toordinal()
    for day in range(days + 1):
        midnight = datetime.combine(begin.date() + timedelta(days=day), datetime.min.time())
        for minute in range(0, 1440, minutes):
            wall = midnight + timedelta(minutes=minute)
            at_ms = _ms(wall, zone)
            if first_ms <= at_ms <= last_ms and local(at_ms, zone).replace(tzinfo=None) == wall:
                found.append((at_ms, chart_words.day(wall) if not minute and days else chart_words.clock(wall)))
    return found


def _of_calendar(first_ms: int, last_ms: int, days: int, zone: tzinfo) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    words = chart_words.month if days >= _LONG_DAYS else chart_words.day
    begin, end = (local(ms, zone).date().toordinal() for ms in (first_ms, last_ms))
    for ordinal in range(begin + -begin % days, end + 1, days):
        wall = datetime.combine(datetime.fromordinal(ordinal).date(), datetime.min.time())
        at_ms = _ms(wall, zone)
        if first_ms <= at_ms <= last_ms:
            found.append((at_ms, words(wall)))
    return found


def local(at_ms: int, zone: tzinfo) -> datetime:
    """The time in the zone."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone)


def _ms(wall: datetime, zone: tzinfo) -> int:
    return round(wall.replace(tzinfo=zone).timestamp() * 1000)


def hours(day_ms: int, zone: tzinfo) -> tuple[int, ...]:
    """When the hours of the day begin in which `day_ms` is, in ms: 23 or 25 of them where the clock is changed."""
    begin, end = _day(day_ms, 0, zone), _day(day_ms, 1, zone)
    return tuple(range(begin, end, 3_600_000))


def days(first_ms: int, number: int, zone: tzinfo) -> tuple[int, ...]:
    """When so many days begin in the zone, in ms, from the one in which `first_ms` is."""
    return tuple(_day(first_ms, later, zone) for later in range(number))


def _day(at_ms: int, later: int, zone: tzinfo) -> int:
    date = local(at_ms, zone).date() + timedelta(days=later)
    return _ms(datetime.combine(date, datetime.min.time()), zone)


def bar_ticks(begins: tuple[int, ...], slot: Slot, zone: tzinfo) -> tuple[tuple[int, str], ...]:
    """Which bars are named, by their place, and how: every sixth hour; every day of a week; every seventh day of a month."""
    at = [local(ms, zone) for ms in begins]
    if slot is Slot.HOUR:
        named = [n for n, one in enumerate(at) if one.hour % 6 == 0 and (n == 0 or at[n - 1].hour != one.hour)]
        return tuple((n, chart_words.clock(at[n])) for n in named)
    if len(at) <= 7:  # noqa: PLR2004 - a week
        return tuple((n, chart_words.weekday(one)) for n, one in enumerate(at))
    step = max(7, -(-len(at) // 5))
    return tuple((n, chart_words.day(at[n])) for n in range(0, len(at), step))
