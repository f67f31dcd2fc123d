"""Limits: the answers to /budget and /raise, and the warnings on the way to a limit."""

from collections.abc import Sequence
from typing import Final

from gateway.domain.budget import ScopeKind, Unit
from gateway.domain.money import Usd
from gateway.view.figure_words import amount

# ------------------------------------------------------------------------------------------------- /budget and /raise
NO_SESSION: Final = "No session yet: write what you want done, and it has a budget of its own."
MAY_NOT_TAKE_AWAY: Final = "You may not take this limit away: ask an owner."


def may_not_raise_by(unit: Unit, by: int) -> str:
    """A person's own largest raise is less."""
    return f"You may not raise this limit by {amount(unit, by)}: ask an owner."


def no_limit(kind: ScopeKind) -> str:
    """There is nothing to raise."""
    return f"There is no limit on this {kind}: there is nothing to raise."


def too_high(most: Usd) -> str:
    """A raise to more than a limit can be."""
    return f"That would be more than {most}, the most there is."


def sentence(words: str) -> str:
    """An explanation of what was written wrong, which has no full stop."""
    return f"{words}."


def line(name: str, spent: Usd, held: Usd, limit: Usd | None) -> str:
    """How it stands with a limit: `Day: $2.00 spent, $1.00 held, of $25.00`."""
    waits = f", {held} held" if held else ""
    return f"{name}: {spent} spent{waits}, no limit" if limit is None else f"{name}: {spent} spent{waits}, of {limit}"


def scope_name(kind: ScopeKind) -> str:
    """A scope at the beginning of its line."""
    return kind.capitalize()


def team_name(period: str) -> str:
    """The same of a team, which may share several limits; `period`: `month`."""
    return f"Team's {period}"


def beside(parts: Sequence[str]) -> str:
    """What stands on one line."""
    return " · ".join(parts)


def subscription(windows: Sequence[str]) -> str:
    """How it stands with a subscription."""
    return f"Subscription: {beside(windows)}"


def window(name: str, percent: int, until: str) -> str:
    """One of its windows; `until`: when it begins anew (`18:00`), or empty."""
    return f"{name} window {percent} %, until {until}" if until else f"{name} window {percent} %"


def asked_above(amount: Usd) -> str:
    """The last line of the answer to /budget."""
    return f"You are asked above {amount} a run. Change a limit: /budget 10, /budget day 25"


# ------------------------------------------------------------------------------------------------------------ warnings
def warning(kind: ScopeKind, unit: Unit, used: int, limit: int, percent: int) -> str:
    """A good part of a limit is spent."""
    of, so_much = amount(unit, limit), amount(unit, used)
    part = "All" if used >= limit else f"{percent} %"
    exactly = f": {so_much}" if so_much != of else ""  # Rounded they may look the same.
    return f"{part} of the {kind}'s {of} {_is_used(unit)}{exactly}."


def _is_used(unit: Unit) -> str:
    """The verb for it: money is spent."""
    return "is spent" if unit is Unit.USD else "are used"


def used_of_it(unit: Unit, used: int) -> str:
    """How much of a limit is gone; plain text."""
    return f"{amount(unit, used)} of it {_is_used(unit)}."


def used_of(unit: Unit, used: int, limit: int) -> str:
    """The same with the limit; plain text."""
    return f"{amount(unit, used)} of {amount(unit, limit)} {_is_used(unit)}."
