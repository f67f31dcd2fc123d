"""A decision, written: records, the thread's current session, ledger entries, messages and the update that caused it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, bindparam, delete, select, update
from sqlalchemy.dialects.sqlite import Insert, insert

from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.budget import Entry, EntryKind, Quota
from gateway.domain.effects import SAID_REF
from gateway.domain.lease import Loan
from gateway.domain.outcome import Left, Looked
from gateway.domain.place import Session, Unmetered
from gateway.domain.preferences import Offered, Preferences
from gateway.domain.turn import Turn
from gateway.ports import Decision, Process
from gateway.store import (
    approval_rows,
    forgetting,
    inbox,
    ledger,
    loans,
    moves,
    outcomes,
    posts,
    preferences,
    rows,
    turn_rows,
    unmetered,
)
from gateway.store.prepared import Prepared
from gateway.store.schema import approval_tokens, approvals, grants, processes, quotas, sessions, threads, turns

T = TypeVar("T")
_CHANGED_SESSION = Prepared(update(sessions).where(sessions.c.id == bindparam("session_id")))
_NEW_SESSION = Prepared(insert(sessions))
_NO_TOKENS = Prepared(delete(approval_tokens).where(approval_tokens.c.approval_id == bindparam("of_approval")))
_NEW_TOKEN = Prepared(insert(approval_tokens))
TOKENS_KEPT_MS = 90 * inbox.DAY_MS
"""How long a late tap is still told what became of its question."""
Put = Session | Turn | Approval | Process | Quota | Loan | Unmetered | Preferences | Offered | Left | Looked

FACTS = {EntryKind.CALL, EntryKind.RECONCILED, EntryKind.REPRICED, EntryKind.SETTLED, EntryKind.VOIDED}
"""Entries that tell what has happened: a full outbox does not keep them out of the ledger."""


def write(connection: Connection, decision: Decision[T], now_ms: int) -> None:  # noqa: C901 - a list, in its order
    """Write everything that the decision wants. Raises StoreError; then nothing of it may be committed."""
    if decision.moved is not None:
        moves.move(connection, decision.moved, now_ms)
    if decision.gone is not None:
        moves.leave(connection, decision.gone)
    for record in sorted(decision.put, key=_after_what_it_belongs_to):
        _put(connection, record, now_ms)
    if decision.current is not None:
        _make_current(connection, decision.current)
    if decision.also_current is not None:
        _make_current(connection, decision.also_current)
    if decision.grants is not None:
        connection.execute(delete(grants))
        for grant in decision.grants:
            connection.execute(insert(grants).values(rows.grant_row(grant)))
    ledger.append(connection, decision.entries, now_ms)
    loans.renumber(connection, decision.renumbered)
    loans.append(connection, decision.figures)
    loans.forget(connection, decision.reported)
    if decision.forgotten:
        forgetting.forget(connection, decision.forgotten, now_ms)
    posts.put(connection, decision.posts, now_ms, limited=_can_wait(decision))
    if decision.rerouted is not None:
        posts.move(connection, *decision.rerouted)
    if decision.handled is not None:
        inbox.handle(connection, *decision.handled, now_ms)
    for also in decision.also:
        inbox.handle(connection, *also, now_ms)


def _after_what_it_belongs_to(record: Put) -> int:
    return 0 if isinstance(record, Session) else 2 if isinstance(record, Left | Looked) else 1


def _can_wait(decision: Decision[T]) -> bool:
    """What people and agents want said anew; what follows from that, and what a start has to say, is not kept out by a full outbox."""
    anew = decision.handled is not None or any(post.ref.startswith(SAID_REF) for post in decision.posts)
    return anew and not _facts(decision.entries)


def _facts(entries: Sequence[Entry]) -> bool:
    return any(entry.kind in FACTS for entry in entries)


def _put(connection: Connection, record: Put, now_ms: int) -> None:  # noqa: C901 - a table
    match record:
        case Session():
            _put_session(connection, record)
        case Turn():
            row = turn_rows.turn_row(record)
            _put_turn(tuple(row)).change(connection, row | {"of_session": record.session_id})
        case Approval():
            _upsert(connection, approvals, approval_rows.approval_row(record), "id")
            _NO_TOKENS.change(connection, {"of_approval": record.id})
            for place, token in enumerate(record.tokens):
                _NEW_TOKEN.change(connection, {"token": token, "approval_id": record.id, "place": place})
        case Quota():
            _upsert(connection, quotas, rows.quota_row(record), "agent", "window")
        case Process():
            columns = {"session_id": record.session_id, "pid": record.pid}
            _upsert(
                connection, processes, columns | {"started": record.started, "journal": record.journal}, "session_id"
            )
        case Loan():
            loans.keep(connection, record, now_ms)
        case Unmetered():
            unmetered.keep(connection, record, now_ms)
        case Preferences():
            preferences.keep(connection, record)
        case Offered():
            preferences.note(connection, record)
        case Left():
            outcomes.keep(connection, record)
        case Looked():
            outcomes.note(connection, record)


def _put_session(connection: Connection, session: Session) -> None:
    row = rows.session_row(session)
    if session.forgotten_at_ms is not None and session.agent_session is None:
        del row["agent_session"]  # what is kept of it stays
    known = _CHANGED_SESSION.change(connection, row | {"session_id": session.id})
    if not known:
        _NEW_SESSION.change(connection, row)
    if not known and not session.unattended:
        _make_current(connection, session)


def prune(connection: Connection, now_ms: int) -> None:
    """Forget the tokens of approvals that were closed long ago, at the latest when their time was over."""
    closed = select(approvals.c.id).where(
        approvals.c.id == approval_tokens.c.approval_id,
        approvals.c.state != ApprovalState.OPEN,
        approvals.c.expires_at_ms < now_ms - TOKENS_KEPT_MS,
    )
    connection.execute(delete(approval_tokens).where(closed.exists()))


def _make_current(connection: Connection, session: Session) -> None:
    row = rows.thread_columns(session.thread) | {"session_id": session.id}
    _upsert(connection, threads, row, "service", "chat", "topic")


def _upsert(connection: Connection, table: Table, row: dict[str, Any], *key: str) -> None:
    _upserting(table, tuple(row), key).change(connection, row)


@lru_cache(maxsize=16)
def _upserting(table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> Prepared:
    return Prepared(_upsert_of(table, names, key))


def _upsert_of(table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> Insert:
    statement = insert(table)
    rest = {name: statement.excluded[name] for name in names if name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=rest)


@lru_cache(maxsize=1)
def _put_turn(names: tuple[str, ...]) -> Prepared:
    """A turn's row and, from the session `of_session`, its agent."""
    agent = select(sessions.c.agent).where(sessions.c.id == bindparam("of_session")).scalar_subquery()
    return Prepared(_upsert_of(turns, (*names, "agent"), ("id",)).values(agent=agent))
