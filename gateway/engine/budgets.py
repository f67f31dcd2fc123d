"""Limits seen and changed from the chat: every change is an entry with who and why."""

from gateway.core import scopes, summary
from gateway.core.access import may
from gateway.domain.budget import Entry, EntryKind, Scope, ScopeKind
from gateway.domain.events import Message
from gateway.domain.money import LARGEST_AMOUNT_NANO, ZERO, Usd
from gateway.domain.place import Deed, Session
from gateway.engine.world import Draft, World
from gateway.ports import View

NO_SESSION = "No session yet: write what you want done, and it has a budget of its own."


def show(world: World, view: View, draft: Draft, message: Message) -> None:
    """Tell every limit that applies in this thread, and what stands against it."""
    session = view.current_session(message.thread)
    balances = world.balances(view, draft, _scopes(world, message, session))
    limited = [balance for balance in balances if balance.limit is not None]
    draft.say(world.notice(message.thread, summary.budget_words(limited, world.rules.confirm_above)))


def change(world: World, view: View, draft: Draft, message: Message, kind: ScopeKind, limit: Usd) -> None:
    """Set the limit of the scope of this kind that applies here."""
    _set(world, view, draft, message, kind, limit, "/budget")


def raise_by(world: World, view: View, draft: Draft, message: Message, kind: ScopeKind, by: Usd) -> None:
    """Raise the limit of the scope of this kind that applies here."""
    scope = _scope(world, view, message, kind)
    if scope is None:
        draft.say(world.notice(message.thread, NO_SESSION))
        return
    limit = world.balance(view, draft, scope).limit
    if limit is None:
        draft.say(world.notice(message.thread, f"There is no limit on this {kind}: there is nothing to raise."))
    elif limit.nano + by.nano > LARGEST_AMOUNT_NANO:
        draft.say(
            world.notice(message.thread, f"That would be more than {Usd(LARGEST_AMOUNT_NANO)}, the most there is.")
        )
    else:
        _set(world, view, draft, message, kind, limit + by, "/raise")


def _set(world: World, view: View, draft: Draft, message: Message, kind: ScopeKind, limit: Usd, why: str) -> None:
    scope = _scope(world, view, message, kind)
    if scope is None:
        draft.say(world.notice(message.thread, NO_SESSION))
        return
    before = world.balance(view, draft, scope).limit
    more = limit - before if before is not None and limit > before else ZERO
    if more and not may(view.grants(message.person), Deed.RAISE, message.thread, more):
        draft.say(world.notice(message.thread, f"You may not raise this limit by {more}: ask an owner."))
        return
    draft.entries.append(Entry(EntryKind.LIMIT, (scope,), who=message.person, why=why, limit=limit))
    balance = world.balance(view, draft, scope)
    draft.say(world.notice(message.thread, summary.budget_words((balance,), world.rules.confirm_above)))


def _scopes(world: World, message: Message, session: Session | None) -> tuple[Scope, ...]:
    if session is None:
        return scopes.of_person(message.person, message.thread, world.today())
    return scopes.of_turn(session, message.person, world.today())


def _scope(world: World, view: View, message: Message, kind: ScopeKind) -> Scope | None:
    session = view.current_session(message.thread)
    return next((scope for scope in _scopes(world, message, session) if scope.kind is kind), None)
