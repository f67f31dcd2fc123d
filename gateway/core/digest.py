"""The digest: at which time of the owner's day or week a chat is told what was spent, and whether that time has come."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Self

from gateway.core.policy import DAYS
from gateway.domain.preferences import Preferences
from gateway.domain.spending import Period
from gateway.view import preference_words as words

LATE_MAX: Final = timedelta(hours=12)
"""A digest that could not be told at its time is told later, but not so much later."""
_TIME: Final = re.compile(r"(?:daily |weekly )?(?:(?P<day>[a-z]{3}) )?(?P<hour>\d{1,2}):(?P<minute>\d{2})", re.ASCII)
_WEEK: Final = 7


class DigestError(ValueError):
    """The text is no time for a digest; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Every day at this time, or on one day of the week (0: Monday)."""

    at: time
    weekday: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `08:30`, `daily 8:30`, `weekly mon 08:30`. Raises DigestError."""
        clean = " ".join(text.lower().split())
        match = _TIME.fullmatch(clean)
        day = None if match is None else match["day"]
        if match is None or (day is not None and day not in DAYS) or (day is None) is clean.startswith("weekly"):
            raise DigestError(words.no_digest(clean[:40]))
        try:
            at = time(int(match["hour"]), int(match["minute"]))
        except ValueError:
            raise DigestError(words.no_digest(clean[:40])) from None
        return cls(at, None if day is None else DAYS.index(day))

    @property
    def words(self) -> str:
        """As it is written: `08:30`, `weekly mon 08:30`."""
        at = f"{self.at:%H:%M}"
        return at if self.weekday is None else " ".join(("weekly", DAYS[self.weekday], at))

    def last(self, now: datetime) -> tuple[date, datetime]:
        """The day of the last time that has come by now, and the moment. `now` is in the owner's time zone.

        A time that the clocks skip has come once they were put forward, one that comes twice the first time.
        """
        days = (now.date() - timedelta(days=back) for back in range(_WEEK + 1))
        mine = (day for day in days if self.weekday in (None, day.weekday()))
        found = ((day, datetime.combine(day, self.at, now.tzinfo).astimezone(UTC)) for day in mine)
        return next((day, at) for day, at in found if at <= now)

    def period(self, day: date) -> Period:
        """What the digest of this day is about: the day before, or the seven days before."""
        return Period(day - timedelta(days=1 if self.weekday is None else _WEEK), day - timedelta(days=1))


def due(chat: Preferences, now_ms: int, zone: tzinfo) -> tuple[date, Digest] | None:
    """The digest that is to be told now in this chat, and its day; None: none is."""
    try:
        digest = Digest.parse(chat.digest)
    except DigestError:  # written by a program that knew other times
        return None
    now = _on(now_ms, zone)
    day, at = digest.last(now)
    late = now - at > LATE_MAX
    return None if late or day.isoformat() <= chat.digest_told else (day, digest)


def chosen(before: Preferences, after: Preferences, person: str, now_ms: int, zone: tzinfo) -> Preferences:
    """The preferences with another digest, for this person (empty: a group): from its next time on, and no day is told twice."""
    if not after.digest:
        return replace(after, digest_for="")
    day, _ = Digest.parse(after.digest).last(_on(now_ms, zone))
    return replace(after, digest_for=person, digest_told=max(before.digest_told, day.isoformat()))


def _on(now_ms: int, zone: tzinfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)).astimezone(zone)
