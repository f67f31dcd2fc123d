"""Figures as people read them: counts, times, sizes, and amounts of what a limit counts."""

from datetime import datetime, timedelta

from gateway.domain.budget import Unit
from gateway.domain.money import Usd


def count(tokens: int) -> str:
    """A token count as people read it: 950, 38k, 1.2M."""
    if tokens < 1_000:  # noqa: PLR2004 - k and M mean these numbers
        return str(tokens)
    if tokens < 999_500:  # noqa: PLR2004 - see above; from here on "1.0M" is nearer than "1000k"
        return f"{(tokens + 500) // 1_000}k"
    return f"{tokens / 1_000_000:.1f}M"


def duration(seconds: int) -> str:
    """A time as people read it: 34 s, 2 min 5 s, 1 h 3 min."""
    whole = timedelta(seconds=seconds)
    hours, rest = divmod(int(whole.total_seconds()), 3600)
    minutes, secs = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {secs} s" if minutes else f"{secs} s"


def time(ms: int) -> str:
    """A time without what is nothing of it: `5 min`, `1 h`, `7 s`."""
    return duration(ms // 1000).removesuffix(" 0 s").removesuffix(" 0 min")


def ago(minutes: int) -> str:
    """How long ago something was, from an hour on to the hour: `20 min ago`, `3 h ago`."""
    whole = minutes - minutes % 60 if minutes >= 60 else minutes  # noqa: PLR2004 - an hour has so many
    return f"{time(whole * 60_000)} ago" if whole else "less than 1 min ago"


def opening(words: str) -> str:
    """What stands within a sentence, as its beginning."""
    return words[0].upper() + words[1:]


def size(number: int) -> str:
    """Bytes: `812 bytes`, `118 kB`, `2.4 MB`."""
    if number and number % 2**20 == 0:
        return f"{number >> 20} MB"  # limits are set in these
    if number < 1000:  # noqa: PLR2004 - the unit's own
        return "1 byte" if number == 1 else f"{number} bytes"
    return f"{number / 1000:.0f} kB" if number < 999_500 else f"{number / 1_000_000:.1f} MB"  # noqa: PLR2004 - see above


def calls(number: int) -> str:
    """`1 call`, `3 calls`."""
    return "1 call" if number == 1 else f"{number} calls"


def amount(unit: Unit, value: int) -> str:
    """So much of a unit, as people read it: `$5.00`, `1.2M tokens`, `1 call`, `1 h 30 min of work`."""
    match unit:
        case Unit.USD:
            return str(Usd(value))
        case Unit.PACE:
            return f"{Usd(value)} a minute"
        case Unit.TOKENS:
            return "1 token" if value == 1 else f"{count(value)} tokens"
        case Unit.CALLS:
            return calls(value)
        case Unit.WORK_MS:
            return f"{time(value)} of work"
        case _:
            return f"{value} %"


_COUNTED = {Unit.TOKENS: "tokens", Unit.CALLS: "calls", Unit.WORK_MS: "minutes"}


def no_limit(unit: Unit) -> str:
    """A limit that was taken away: `none`, `none in calls`."""
    return "none" if unit is Unit.USD else f"none in {_COUNTED[unit]}"


def used_of(unit: Unit, used: int, limit: int) -> str:
    """A count against its limit: `120 of 200 calls`, `5 min of 1 h of work`."""
    return f"{time(used) if unit is Unit.WORK_MS else count(used)} of {amount(unit, limit)}"


def changed_by(unit: Unit, by: int, until: str) -> str:
    """What a limit is higher (or lower) by: `+$5.00 until 18:00`; `until` may be empty."""
    return f"{'-' if by < 0 else '+'}{amount(unit, abs(by))} {until}".rstrip()


def dollars(value: Usd) -> str:
    """An amount on a button, without cents that are none: `$5`, `$2.50`."""
    return str(value).removesuffix(".00")


def moment(then: datetime, now: datetime) -> str:
    """`18:00`, and on another day `Mon 23 Nov 18:00`; both in the owner's time zone."""
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%a} {then.day} {then:%b %H:%M}"


def until(then: datetime, now: datetime) -> str:
    """`until 18:00`, and on another day `until Mon 23 Nov 18:00`; both in the owner's time zone."""
    return f"until {moment(then, now)}"


def not_whole(written: str, word: str) -> str:
    """Why a limit cannot be read; plain text."""
    return f"{written!r} is not a whole number of {word}"


def more_than_there_is(written: str, most: str) -> str:
    """The same for one that is too high."""
    return f"{written!r} is more than there can be: at most {most}"


def no_time(written: str) -> str:
    """Why an end of a raise cannot be read; `written` with its quotes."""
    return f"{written} is not a time: write it like 2h, 90m, 1d or 18:00"


def too_long(written: str, days: int) -> str:
    """The same for one that is too far off."""
    return f"{written} is longer than {days} days, the longest there is"


def over_at_once(written: str) -> str:
    """The same for one that is now."""
    return f"{written} is over at once: write how long it is to last, like 2h"


def no_time_of_day(written: str) -> str:
    """The same for `25:00`."""
    return f"{written} is not a time of day: write it from 00:00 to 23:59"
