"""Limits seen and changed from the chat: every change is an entry with who and why."""

from dataclasses import replace

from gateway.core import gauges, scopes
from gateway.core.access import may
from gateway.core.route import RaiseBudget, SetBudget
from gateway.domain.budget import NO_CAPS, Balance, Caps, Entry, EntryKind, Lift, Scope, ScopeKind, Unit
from gateway.domain.events import Message
from gateway.domain.money import LARGEST_AMOUNT_NANO, Usd
from gateway.domain.place import Deed, Session
from gateway.engine import gating
from gateway.engine.world import Draft, World
from gateway.ports import View

NO_SESSION = "No session yet: write what you want done, and it has a budget of its own."
DAY_MS = 24 * 3_600_000
LASTING = (ScopeKind.PROJECT, ScopeKind.PERSON, ScopeKind.CHAT)
"""Scopes that never end: a raise of their limit does, after a day if no time was written."""


def show(world: World, view: View, draft: Draft, message: Message) -> None:
    """Tell every limit that applies in this thread, and what stands against it."""
    session = view.current_session(message.thread)
    balances = world.balances(view, draft, _scopes(world, message, session))
    limited = [balance for balance in balances if balance.limit is not None or balance.caps != NO_CAPS]
    draft.say(world.notice(message.thread, _words(world, view, draft, *limited)))


def change(world: World, view: View, draft: Draft, message: Message, wanted: SetBudget) -> None:
    """Set the limit of the scope of this kind that applies here; what was raised for a while is over with it."""
    scope = _scope(world, view, message, wanted.kind)
    if scope is None:
        draft.say(world.notice(message.thread, NO_SESSION))
        return
    before = limit_of(world.balance(view, draft, scope), wanted.unit)
    more = 0 if before is None else wanted.amount - before
    if more > 0 and not _may(view, message, wanted.unit, more):
        draft.say(world.notice(message.thread, _not_by(wanted.unit, more)))
        return
    lifts = draft.lifts(view, world.clock.now_ms())
    for lift in gauges.net(lifts):
        if (lift.scope, lift.unit) == (scope, wanted.unit):
            back = replace(lift, by=-lift.by)
            draft.entries.append(gating.raised(back, who=message.person, why="another limit was set"))
            lifts.append(back)
    entry = Entry(EntryKind.LIMIT, (scope,), who=message.person, why="/budget")
    if wanted.unit is Unit.USD:
        entry = replace(entry, limit=Usd(wanted.amount))
    else:
        entry = replace(entry, caps=Caps(**{wanted.unit.value: wanted.amount}))
    draft.entries.append(entry)
    draft.say(world.notice(message.thread, _words(world, view, draft, world.balance(view, draft, scope))))


def raise_by(world: World, view: View, draft: Draft, message: Message, wanted: RaiseBudget) -> None:
    """Raise the limit of the scope of this kind that applies here: for as long as the scope lasts, or until a time."""
    scope = _scope(world, view, message, wanted.kind)
    if scope is None:
        draft.say(world.notice(message.thread, NO_SESSION))
        return
    words = _no_raise(world, view, draft, message, wanted, scope)
    now_ms = world.clock.now_ms()
    until_ms = now_ms + DAY_MS if wanted.kind in LASTING else None
    if words:
        draft.say(world.notice(message.thread, words))
        return
    lift = Lift(scope, wanted.unit, wanted.amount, until_ms)
    if until_ms is None:
        balance = world.unlifted(view, draft, scope)
        entry = gating.higher(balance, lift, who=message.person, why="/raise")
        draft.entries += [entry] if entry is not None else []
    else:
        draft.entries.append(gating.raised(lift, who=message.person, why="/raise"))
        draft.lifts(view, now_ms).append(lift)
    draft.say(world.notice(message.thread, _words(world, view, draft, world.balance(view, draft, scope))))


def _no_raise(world: World, view: View, draft: Draft, message: Message, wanted: RaiseBudget, scope: Scope) -> str:
    """Why the limit cannot be raised so; empty if it can."""
    limit = limit_of(world.balance(view, draft, scope), wanted.unit)
    if limit is None:
        return f"There is no limit on this {scope.kind}: there is nothing to raise."
    if wanted.unit is Unit.USD and limit + wanted.amount > LARGEST_AMOUNT_NANO:
        return f"That would be more than {Usd(LARGEST_AMOUNT_NANO)}, the most there is."
    if not _may(view, message, wanted.unit, wanted.amount):
        return _not_by(wanted.unit, wanted.amount)
    return ""


def _may(view: View, message: Message, unit: Unit, more: int) -> bool:
    return may(view.grants(message.person), Deed.RAISE, message.thread, Usd(more) if unit is Unit.USD else None)


def _not_by(unit: Unit, more: int) -> str:
    return f"You may not raise this limit by {gauges.amount(unit, more)}: ask an owner."


def limit_of(balance: Balance, unit: Unit) -> int | None:
    """A limit of a balance, in the unit; None: there is none."""
    if unit is Unit.USD:
        return None if balance.limit is None else balance.limit.nano
    return getattr(balance.caps, unit)


def _words(world: World, view: View, draft: Draft, *balances: Balance) -> str:
    lifts = gauges.net(draft.lifts(view, world.clock.now_ms()))
    return gauges.budget_words(balances, lifts, world.rules.confirm_above, world.rules.timezone)


def _scopes(world: World, message: Message, session: Session | None) -> tuple[Scope, ...]:
    if session is None:
        return scopes.of_person(message.person, message.thread, world.today())
    return scopes.of_turn(session, message.person, world.today())


def _scope(world: World, view: View, message: Message, kind: ScopeKind) -> Scope | None:
    session = view.current_session(message.thread)
    return next((scope for scope in _scopes(world, message, session) if scope.kind is kind), None)
