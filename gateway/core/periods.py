"""Days and ranges of days: what `month`, `--since 7d` and `--until 2026-11` mean, and when days begin where the clocks change."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from gateway.domain.spending import Period

LENGTHS = {"today": 1, "week": 7, "month": 30}
"""Days of a period that is named, today being the last of them."""
ALL = "all"
DAYS_MAX = 20_000
_AGO = re.compile(r"(\d{1,5})d", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LAST_MONTH = 12
_DAY_MS = 86_400_000


class PeriodError(ValueError):
    """These words are no period; the message says what to write."""


def period(name: str, since: str, until: str, today: date) -> Period:
    """The period of this name (empty: `month`), or from `since` to `until`, where one is given. Raises PeriodError.

    Both are days like 2026-11-01, months like 2026-11, or 7d (the last seven days, today included; as an end: the day so long ago).
    A month alone as `since` ends with that month.
    """
    if not since and not until:
        if name == ALL:
            return Period(None, today)
        return Period(_back(today, LENGTHS[name or "month"] - 1), today)
    first = _first(since, today) if since else None
    last = _last(until, today) if until else _end(since, "--since") if _MONTH.fullmatch(since) else today
    last = min(last, today) if not until else last
    if first is not None and first > last:
        raise PeriodError(f"the period would end ({last}) before it begins ({first}): check --since and --until")
    return Period(first, last)


def beginnings(first: date, last: date, zone: tzinfo) -> tuple[int, ...]:
    """When each of these days begins in this zone, and when the last one is over: milliseconds since 1970.

    A day is 23 or 25 hours long where the clocks are changed; one whose midnight is left out begins when the clocks go on. Raises
    PeriodError where these are more than 20,000 days.
    """
    days = (last - first).days + 1
    if days > DAYS_MAX:
        raise PeriodError(f"that is more than {DAYS_MAX} days: name a later first day with --since")
    return tuple(_begins(first + timedelta(days=number), zone) for number in range(days + 1))


def day_of(at_ms: int, first: date, begins: Sequence[int]) -> date | None:
    """The day that this moment is on, by the beginnings of days from `first` on; None: on none of them."""
    if not begins[0] <= at_ms < begins[-1]:
        return None
    at = min((at_ms - begins[0]) // _DAY_MS, len(begins) - 2)
    while begins[at] > at_ms:  # where clocks are changed it is the day before or after
        at -= 1
    while begins[at + 1] <= at_ms:
        at += 1
    return first + timedelta(days=at)


def on(at_ms: int, zone: tzinfo) -> datetime:
    """That moment there."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(zone)


def _begins(day: date, zone: tzinfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp()) * 1000


def _first(text: str, today: date) -> date:
    if ago := _AGO.fullmatch(text):
        return _back(today, max(0, int(ago[1]) - 1))
    return _day(f"{text}-01" if _MONTH.fullmatch(text) else text, "--since", text)


def _last(text: str, today: date) -> date:
    if ago := _AGO.fullmatch(text):
        return _back(today, int(ago[1]))
    if _MONTH.fullmatch(text):
        return _end(text, "--until")
    return _day(text, "--until")


def _end(month: str, option: str) -> date:
    """The last day of a month."""
    first = _day(f"{month}-01", option, month)
    year, number = (first.year + 1, 1) if first.month == _LAST_MONTH else (first.year, first.month + 1)
    try:
        return date(year, number, 1) - timedelta(days=1)
    except ValueError:
        raise PeriodError(f"{month} is no month that a calendar has: write one like 2026-11") from None


def _day(text: str, option: str, written: str = "") -> date:
    """`written`: what stands in the refusal, where that is not the day."""
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise PeriodError(
        f"{option} {(written or text)[:40]!r} is no day: write it like 2026-11-01, 2026-11 or 7d"
    ) from None


def _back(day: date, days: int) -> date:
    try:
        return day - timedelta(days=days)
    except OverflowError:
        return date.min
