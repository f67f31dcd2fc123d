"""Limits, set and raised: the entries, the same for every way in which a person can change one."""

import json
from dataclasses import replace

from gateway.core import gauges
from gateway.core.until import until
from gateway.domain.budget import BOOKED, Balance, Caps, Entry, EntryKind, Lift, Scope, ScopeKind, Unit
from gateway.domain.money import Usd
from gateway.domain.turn import Turn
from gateway.engine import bounds
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import change_words

DAY_MS = 24 * 3_600_000
LASTING = (ScopeKind.PROJECT, ScopeKind.PERSON, ScopeKind.CHAT)
"""Scopes that never end: a raise of their limits does, after a day if no time was written."""


def set_limit(
    world: World, view: View, draft: Draft, scope: Scope, unit: Unit, amount: int, *, who: str, why: str
) -> None:
    """Set a limit; what it was raised by for a while is taken back."""
    take_back(world, view, draft, scope, unit, who=who)
    draft.entries.append(_limit(scope, unit, amount, who, why))


def take_back(world: World, view: View, draft: Draft, scope: Scope, unit: Unit, *, who: str) -> None:
    """What a limit was raised by for a while is over, until a time or for a turn that has not ended: there is another limit."""
    why = change_words.OTHER_LIMIT
    lifts = draft.lifts(view, world.clock.now_ms())
    for lift in gauges.net(lifts):
        if (lift.scope, lift.unit) == (scope, unit):
            back = replace(lift, by=-lift.by)
            draft.entries.append(raised_for(back, who=who, why=why))
            lifts.append(back)
    for turn in draft.open_turns(view):
        taken = [lift for lift in turn.lifts if (lift.scope, lift.unit) == (scope, unit)]
        if taken:
            back = Lift(scope, unit, -sum(lift.by for lift in taken))
            entry = raised_for(back, who=who, why=why)
            draft.entries.append(replace(entry, turn_id=turn.id, session_id=turn.session_id))
            draft.put.append(replace(turn, lifts=tuple(lift for lift in turn.lifts if lift not in taken)))


def raise_limit(world: World, view: View, draft: Draft, lift: Lift, *, who: str, why: str) -> None:
    """Raise a limit until the lift's time; without one for as long as its scope lasts. Nothing where there is no limit."""
    if lift.until_ms is not None:
        draft.entries.append(raised_for(lift, who=who, why=why))
        draft.lifts(view, world.clock.now_ms()).append(lift)
        return
    before = limit_of(bounds.unlifted(world, view, draft, lift.scope), lift.unit)
    if before is not None:
        draft.entries.append(_limit(lift.scope, lift.unit, before + lift.by, who, why))


def raise_for_turn(
    world: World, view: View, draft: Draft, turn: Turn, lifts: tuple[Lift, ...], *, who: str, title: str
) -> tuple[Turn, list[Entry]]:
    """The turn with the limits that a yes lifts, and the entries that say so: a session's limit is higher for as long as the
    session lasts, any other for this turn alone. `title`: of the question.
    """
    before = len(draft.entries)
    for lift in lifts:
        words = change_words.raised_for_turn(lift.unit, lift.by, title)
        if lift.scope.kind is ScopeKind.TEAM:
            continue  # Its bank has raised it before.
        if lift.scope.kind is ScopeKind.SESSION:
            raise_limit(world, view, draft, lift, who=who, why=words)
        else:
            turn = replace(turn, lifts=(*turn.lifts, lift))
            draft.entries.append(raised_for(lift, who=who, why=words))
    new = [replace(entry, turn_id=turn.id, session_id=turn.session_id) for entry in draft.entries[before:]]
    draft.entries[before:] = new
    return turn, new


def over_at_ms(world: World, kind: ScopeKind, written: str) -> int | None:
    """When a raise is over, by what was written of that, which may be nothing; None: with its scope. Raises UntilError."""
    now_ms = world.clock.now_ms()
    if written:
        return until(written, now_ms, world.rules.timezone)
    return now_ms + DAY_MS if kind in LASTING else None


def before(world: World, view: View, draft: Draft, scope: Scope, unit: Unit, *, raises: bool) -> int | None:
    """The limit that a change starts from; None: there is none.

    A raise is added to what counts now. A limit that is set stays: whether it widens is seen against the limit that would be left
    once every raise that ends at a time is over, or a raise for an hour could be made one for good by whoever may only lower.
    """
    balance = bounds.balance(world, view, draft, scope) if raises else bounds.unlifted(world, view, draft, scope)
    return limit_of(balance, unit)


def limit_of(balance: Balance, unit: Unit) -> int | None:
    """A limit of a balance, in the unit; None: there is none."""
    if unit is Unit.USD:
        return None if balance.limit is None else balance.limit.nano
    return getattr(balance.caps, unit)


def raised_for(lift: Lift, *, who: str, why: str) -> Entry:
    """The entry for a limit that is higher for a turn, or until a time."""
    facts = [[lift.scope.kind, lift.scope.key, lift.unit, lift.by]]
    return Entry(
        EntryKind.RAISED,
        (lift.scope,) if lift.scope.kind in BOOKED else (),
        who=who,
        why=why,
        detail=json.dumps({"lifts": facts}, sort_keys=True),
        until_ms=lift.until_ms,
    )


def _limit(scope: Scope, unit: Unit, amount: int, who: str, why: str) -> Entry:
    entry = Entry(EntryKind.LIMIT, (scope,), who=who, why=why)
    return replace(entry, limit=Usd(amount)) if unit is Unit.USD else replace(entry, caps=Caps(**{unit.value: amount}))
