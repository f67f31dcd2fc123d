"""What is written in charts: plain text, since a picture knows no Markdown."""

from datetime import datetime
from typing import Final

from gateway.domain.charts import Came
from gateway.domain.money import NANO_PER_USD, Usd
from gateway.view.figure_words import duration

OTHERS: Final = "others"
PAID_FOR: Final = "What was paid for"
CAME_OF_IT: Final = "What came of it"
NOT_YET: Final = "no turns yet"
NONE_THEN: Final = "nothing was spent"
UNKNOWN: Final = "?"
"""Stands where calls have no price."""
_WITH_CENTS: Final = 1_000 * NANO_PER_USD
"""From here on cents say nothing."""
_CAME: Final = {
    Came.COMMITS: "commits",
    Came.CHANGES: "changes",
    Came.ANSWER: "answer",
    Came.NOTHING: "nothing",
    Came.ERROR: "error",
    Came.STOPPED: "stopped",
    Came.PAUSED: "paused",
    Came.RUNNING: "running",
}


def dollars(value: Usd) -> str:
    """An amount in a picture: `$0.0042`, `$3.10`, `$1,235`, `$40,000`."""
    if abs(value.nano) >= _WITH_CENTS:
        sign, nano = ("-", -value.nano) if value.nano < 0 else ("", value.nano)
        return f"{sign}${(nano + NANO_PER_USD // 2) // NANO_PER_USD:,}"
    return str(value)


def spent(value: Usd, limit: Usd | None, *, at_least: bool) -> str:
    """The first line, what and how much: `$3.10 of $5.00`, `at least $3.10`."""
    begin = f"≥ {dollars(value)}" if at_least else dollars(value)
    return f"{begin} spent" if limit is None else f"{begin} of {dollars(limit)}"


def over(by: Usd) -> str:
    """Beside it, where it is more than the limit."""
    return f"{dollars(by)} over"


def turns(number: int) -> str:
    """`1 turn`, `14 turns`."""
    return "1 turn" if number == 1 else f"{number:,} turns"


def lasted(ms: int) -> str:
    """How long a session has lasted: `34 s`, `12 min`, `3 h 5 min`, `4 days`; empty: less than a second."""
    seconds = ms // 1000
    if not seconds:
        return ""
    if seconds >= 172_800:  # noqa: PLR2004 - two days
        return f"{seconds // 86_400} days"
    return duration(seconds if seconds < 60 else seconds - seconds % 60).removesuffix(" 0 s")  # noqa: PLR2004 - a minute


def about(*parts: str) -> str:
    """The second line: what of it there is to say, side by side."""
    return " · ".join(part for part in parts if part)


def unpriced(calls: int) -> str:
    """Beneath it, where calls have no price."""
    return (
        "1 call has no known price: not included"
        if calls == 1
        else f"{calls:,} calls have no known price: not included"
    )


LOWER_BOUND: Final = "some calls were cut short: it may be more"


def came(kind: Came, number: int) -> tuple[str, str]:
    """What came of so many turns: `commits · 5 turns`, and shorter `commits · 5`."""
    return about(_CAME[kind], turns(number)), about(_CAME[kind], f"{number:,}")


def limit(value: Usd) -> str:
    """At the line of a limit."""
    return f"limit {dollars(value)}"


def raised(value: Usd) -> str:
    """At the line from where a limit was raised (or lowered) to this."""
    return f"now {dollars(value)}"


def day_limit(value: Usd) -> str:
    """At the line of the limit of each bar."""
    return f"limit {dollars(value)} a day"


def up_to(value: Usd) -> str:
    """Where a running turn may come to."""
    return f"up to {dollars(value)}"


def turn(number: int) -> str:
    """A turn whose words are gone, or cannot be shown."""
    return f"turn {number}"


def clock(at: datetime) -> str:
    """`14:05`."""
    return f"{at:%H:%M}"


def day(at: datetime) -> str:
    """`3 Mar`."""
    return f"{at.day} {at:%b}"


def weekday(at: datetime) -> str:
    """`Mon`."""
    return f"{at:%a}"


def month(at: datetime) -> str:
    """`Mar 2026`."""
    return f"{at:%b %Y}"


def tick(nano: int, step: int) -> str:
    """A mark on the axis of money, with as many digits as its neighbours need: `$0.0004`, `$1.50`, `$20`, `$1.5k`, `$40k`."""
    if nano == 0:
        return "$0"
    if step >= 1_000 * NANO_PER_USD or nano % (1_000 * NANO_PER_USD) == 0:
        return f"${nano // (1_000 * NANO_PER_USD):,}k"
    if step >= NANO_PER_USD:
        return f"${nano // NANO_PER_USD:,}"
    digits = 2
    while step % 10 ** (9 - digits):
        digits += 1
    return f"${nano / NANO_PER_USD:,.{digits}f}"
