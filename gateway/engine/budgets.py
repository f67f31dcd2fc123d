"""Limits seen and changed from the chat: every change is an entry with who and why."""

from collections.abc import Sequence

from gateway.core import gauges, scopes
from gateway.core.access import may
from gateway.core.route import RaiseBudget, SetBudget
from gateway.core.until import UntilError
from gateway.domain.budget import NO_CAPS, Balance, Lift, Scope, ScopeKind, Unit
from gateway.domain.events import Message
from gateway.domain.money import LARGEST_AMOUNT_NANO, Usd
from gateway.domain.place import Deed, Session
from gateway.engine import bounds, limits
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import limits_words

FULL = 100


def show(world: World, view: View, draft: Draft, message: Message) -> None:
    """Tell every limit that applies in this thread, and what stands against it."""
    session = view.current_session(message.thread)
    shared = world.team.scopes(view, world.today()) if world.team else ()
    balances = bounds.shown(world, view, draft, (*_scopes(world, message, session), *shared))
    limited = [balance for balance in balances if balance.limit is not None or balance.caps != NO_CAPS]
    agent = world.rules.agent if session is None else session.agent
    words = _words(world, view, draft, message, *limited, windows=bounds.windows(world, view, agent, FULL))
    draft.say(world.notice(message.thread, words))


def change(world: World, view: View, draft: Draft, message: Message, wanted: SetBudget) -> None:
    """Set the limit of the scope of this kind that applies here; what was raised for a while is over with it."""
    scope = _scope(world, view, message, wanted.kind)
    if scope is None:
        draft.say(world.notice(message.thread, limits_words.NO_SESSION))
        return
    before = limits.before(world, view, draft, scope, wanted.unit, raises=False)
    none = gauges.is_none(wanted.unit, wanted.amount)
    more = 0 if before is None else wanted.amount - before
    if more > 0 and not _may(view, message, wanted.unit, more):
        words = limits_words.MAY_NOT_TAKE_AWAY if none else _not_by(wanted.unit, more)
        draft.say(world.notice(message.thread, words))
        return
    limits.set_limit(world, view, draft, scope, wanted.unit, wanted.amount, who=message.person, why="/budget")
    draft.say(
        world.notice(message.thread, _words(world, view, draft, message, bounds.balance(world, view, draft, scope)))
    )


def raise_by(world: World, view: View, draft: Draft, message: Message, wanted: RaiseBudget) -> None:
    """Raise the limit of the scope of this kind that applies here: for as long as the scope lasts, or until a time."""
    scope = _scope(world, view, message, wanted.kind)
    if scope is None:
        draft.say(world.notice(message.thread, limits_words.NO_SESSION))
        return
    try:
        until_ms = limits.over_at_ms(world, scope.kind, wanted.until)
        words = _no_raise(world, view, draft, message, wanted, scope)
    except UntilError as error:
        until_ms, words = None, limits_words.sentence(str(error))
    if words:
        draft.say(world.notice(message.thread, words))
        return
    lift = Lift(scope, wanted.unit, wanted.amount, until_ms)
    limits.raise_limit(world, view, draft, lift, who=message.person, why="/raise")
    draft.say(
        world.notice(message.thread, _words(world, view, draft, message, bounds.balance(world, view, draft, scope)))
    )


def _no_raise(world: World, view: View, draft: Draft, message: Message, wanted: RaiseBudget, scope: Scope) -> str:
    """Why the limit cannot be raised so; empty if it can."""
    limit = limits.limit_of(bounds.balance(world, view, draft, scope), wanted.unit)
    if limit is None:
        return limits_words.no_limit(scope.kind)
    if wanted.unit is Unit.USD and limit + wanted.amount > LARGEST_AMOUNT_NANO:
        return limits_words.too_high(Usd(LARGEST_AMOUNT_NANO))
    if not _may(view, message, wanted.unit, wanted.amount):
        return _not_by(wanted.unit, wanted.amount)
    return ""


def _may(view: View, message: Message, unit: Unit, more: int) -> bool:
    return may(view.grants(message.person), Deed.RAISE, message.thread, Usd(more) if unit is Unit.USD else None)


def _not_by(unit: Unit, more: int) -> str:
    return limits_words.may_not_raise_by(unit, more)


def _words(
    world: World,
    view: View,
    draft: Draft,
    message: Message,
    *balances: Balance,
    windows: Sequence[gauges.Gauge] = (),
) -> str:
    lifts = gauges.net(draft.lifts(view, world.clock.now_ms()))
    now_ms, zone = world.clock.now_ms(), world.rules.timezone
    above = bounds.asked_above(world, view, view.preferences(message.thread))
    return gauges.budget_words(balances, lifts, above, now_ms, zone, windows)


def _scopes(world: World, message: Message, session: Session | None) -> tuple[Scope, ...]:
    if session is None:
        return scopes.of_person(message.person, bounds.account(world, message.thread), world.today())
    return bounds.booked(world, session, message.person)


def _scope(world: World, view: View, message: Message, kind: ScopeKind) -> Scope | None:
    session = view.current_session(message.thread)
    return next((scope for scope in _scopes(world, message, session) if scope.kind is kind), None)
