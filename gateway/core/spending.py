"""What was spent, out of portions of it: groups, days, and what stands beside them."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import date, timedelta

from gateway.domain.money import ZERO, Usd
from gateway.domain.place import AT_DESK
from gateway.domain.spending import (
    By,
    Dear,
    Group,
    Open,
    Period,
    Place,
    Portion,
    Source,
    Spending,
    Spent,
)
from gateway.domain.turn import OutcomeKind
from gateway.domain.usage import Parts, Tokens

FRUITLESS = (OutcomeKind.ERROR, OutcomeKind.NOTHING, OutcomeKind.CANCELLED)
DESK_CLIENT = "claude"
"""The agent that sessions at the desk are with."""
_PARTS = tuple(field.name for field in fields(Parts))
_TOKENS = tuple(field.name for field in fields(Tokens))
_COUNTS = tuple(field.name for field in fields(Spent))[3:]
IN_ORDER = (By.DAY, By.PERSON)
"""What is told in its own order: days as they came, and people by their names, since nobody is ranked by what they spend."""


def spending(
    portions: Sequence[Portion],
    by: By,
    period: Period,
    top: int,
    unlisted: Usd = ZERO,
    now_open: Sequence[Open] = (),
    dearest: Sequence[Dear] = (),
) -> Spending:
    """The report of these portions, with at most `top` groups (0: all); of days and people all are told."""
    found = groups(portions, by)
    shown = found if by in IN_ORDER or not top else found[:top]
    left = found[len(shown) :]
    scored = sum(one.scored for one in portions)
    return Spending(
        period,
        by,
        total(portions),
        tuple(shown),
        _together(left, portions, by) if left else None,
        len({one.place.id for one in portions}),
        days(portions, period),
        {source: total(one for one in portions if one.source is source) for source in Source},
        total(one for one in portions if one.background),
        unlisted,
        {kind: total(one for one in portions if one.came_of_it is kind) for kind in FRUITLESS},
        scored,
        sum(one.within_p90 for one in portions),
        unpriced(portions),
        tuple(now_open),
        tuple(dearest),
    )


def total(portions: Iterable[Portion]) -> Spent:
    """All of them together."""
    spents = [one.spent for one in portions]
    if len(spents) == 1:
        return spents[0]
    made_of, tokens = [one.parts for one in spents], [one.tokens for one in spents]
    return Spent(
        Usd(sum(one.cost.nano for one in spents)),
        Parts(*(Usd(sum(getattr(one, name).nano for one in made_of)) for name in _PARTS)),
        Tokens(*(sum(getattr(one, name) for one in tokens) for name in _TOKENS)),
        *(sum(getattr(one, name) for one in spents) for name in _COUNTS),
    )


def groups(portions: Iterable[Portion], by: By) -> list[Group]:
    """The groups that they make: the dearest first, but days and people in their order."""
    members: dict[str, list[Portion]] = {}
    for one in portions:
        members.setdefault(name_of(one, by), []).append(one)
    found = [_group(name, mine, by) for name, mine in members.items()]
    if by in IN_ORDER:
        return sorted(found, key=lambda one: one.name)
    return sorted(found, key=lambda one: (-one.spent.cost.nano, -one.spent.tokens.total, one.name))


def name_of(one: Portion, by: By) -> str:
    """What a portion counts under; empty where nobody tells."""
    match by:
        case By.SESSION:
            return one.place.id
        case By.PROJECT:
            return one.place.project
        case By.AGENT:
            return DESK_CLIENT if one.place.agent == AT_DESK else one.place.agent
        case By.MODEL:
            return one.model
        case By.PERSON:
            return one.person
        case _:
            return one.day.isoformat()


def days(portions: Iterable[Portion], period: Period) -> tuple[tuple[date, Usd], ...]:
    """Every day of the period with its cost; a period without a first day begins with the first day on which anything was spent."""
    costs: dict[date, Usd] = {}
    for one in portions:
        costs[one.day] = costs.get(one.day, ZERO) + one.spent.cost
    first = period.first or min(costs, default=period.last)
    return tuple(
        (day, costs.get(day, ZERO)) for day in (first + timedelta(n) for n in range((period.last - first).days + 1))
    )


def unpriced(portions: Iterable[Portion]) -> dict[str, int]:
    """Calls without a known price by model, the most first."""
    found: dict[str, int] = {}
    for one in portions:
        found[one.model] = found.get(one.model, 0) + one.spent.unpriced
    return {model: calls for model, calls in sorted(found.items(), key=lambda pair: (-pair[1], pair[0])) if calls}


def _group(name: str, mine: Sequence[Portion], by: By) -> Group:
    return Group(
        name,
        total(mine),
        len({one.place.id for one in mine}),
        min(one.first_ms for one in mine),
        max(one.last_ms for one in mine),
        _best(mine) if by is By.SESSION else None,
    )


def _best(mine: Sequence[Portion]) -> Place:
    """The place as whoever knows more of it tells: the gateway has titles, and a session may have moved."""
    return max(mine, key=lambda one: (bool(one.place.title), bool(one.place.project), one.last_ms)).place


def _together(left: Sequence[Group], portions: Sequence[Portion], by: By) -> Group:
    names = {one.name for one in left}
    mine = [one for one in portions if name_of(one, by) in names]
    return replace(_group(str(len(left)), mine, by), place=None)
