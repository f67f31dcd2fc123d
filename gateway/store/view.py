"""What one transaction sees."""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, literal, literal_column, or_, select, text

from gateway.core.forecast import Past
from gateway.core.forgetting import Held
from gateway.domain.approval import APPROVAL_REF, REMINDER_REF, Approval, ApprovalKind, ApprovalState
from gateway.domain.budget import Balance, Lift, Quota, Scope
from gateway.domain.lease import Figure, Loan
from gateway.domain.money import Usd
from gateway.domain.outcome import Commit, Left
from gateway.domain.place import Grant, Session, Thread, Unmetered
from gateway.domain.preferences import Preferences, Traffic
from gateway.domain.spending import Portion
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Usage
from gateway.ports import Heads, Record, Standing, StoreError
from gateway.ports.hooks import Hooked
from gateway.store import (
    approval_rows,
    forgetting,
    hooks,
    imported,
    ledger,
    loans,
    moves,
    outcomes,
    posts,
    preferences,
    rows,
    turn_rows,
    unmetered,
    watching,
)
from gateway.store.prepared import Prepared
from gateway.store.schema import (
    OPEN,
    PRICED,
    UNDONE,
    UNHEARD,
    UNSETTLED,
    approval_tokens,
    approvals,
    grants,
    outbox,
    quotas,
    sessions,
    threads,
    turns,
)
from gateway.store.spending import Spendings

_ROWID = literal_column("rowid")
MOST_PAST_TURNS = 1000
REMINDED = (ApprovalKind.RUN, ApprovalKind.LIMIT, ApprovalKind.PERMISSION, ApprovalKind.QUESTION)
AT_WORK = (TurnState.RUNNING, TurnState.PAUSED)

# What nearly every decision asks.
_SESSION = Prepared(select(sessions).where(sessions.c.id == bindparam("id")))
_CURRENT_SESSION = Prepared(
    select(sessions)
    .join(threads, threads.c.session_id == sessions.c.id)
    .where(
        *(table.c[name] == bindparam(name) for table in (threads, sessions) for name in ("service", "chat", "topic"))
    )
)
_TURN = Prepared(select(turns).where(turns.c.id == bindparam("id")))
_OPEN_TURNS = Prepared(
    select(turns)
    .where(turns.c.session_id == bindparam("session_id"), text(UNDONE))
    .order_by(turns.c.created_at_ms, _ROWID)
)
_APPROVAL = Prepared(select(approvals).where(approvals.c.id == bindparam("id")))
_TOKENS = Prepared(
    select(approval_tokens.c.token)
    .where(approval_tokens.c.approval_id == bindparam("id"))
    .order_by(approval_tokens.c.place)
)
_OPEN_APPROVALS = Prepared(
    select(approvals).where(approvals.c.turn_id == bindparam("turn_id"), text(OPEN)).order_by(_ROWID)
)
_QUOTAS = Prepared(select(quotas).where(quotas.c.agent == bindparam("agent")).order_by(quotas.c.window))
_GRANTS = Prepared(select(grants).where(grants.c.person == bindparam("person")).order_by(grants.c.chat))
_EXPECTED_TURNS = Prepared(
    select(turns)
    .where(text(UNDONE), turns.c.state == TurnState.HELD, turns.c.waits_until_ms <= bindparam("until_ms"))
    .order_by(turns.c.created_at_ms + 0, _ROWID)
    .limit(bindparam("most"))
)
_OVERDUE = Prepared(
    select(approvals)
    .where(approvals.c.expires_at_ms <= bindparam("now_ms"), text(OPEN))
    .order_by(approvals.c.expires_at_ms, _ROWID)
    .limit(bindparam("most"))
)
_NAMED = case((approvals.c.request_id != "", approvals.c.request_id), else_=approvals.c.id)
_REMINDER = literal(REMINDER_REF).concat(approvals.c.turn_id).concat(":").concat(_NAMED)  # as Approval.reminder_ref
_REMINDED = select(outbox.c.id).where(outbox.c.ref == _REMINDER, text("outbox.edit = 0")).correlate(approvals).exists()
_UNREMINDED = Prepared(
    select(approvals)
    .where(approvals.c.expires_at_ms <= bindparam("by_ms"), text(OPEN))
    .where(or_(*(approvals.c.kind == kind for kind in REMINDED)), ~_REMINDED)
    .order_by(approvals.c.expires_at_ms, _ROWID)
    .limit(bindparam("most"))
)
_PAST_TURNS = Prepared(
    select(
        *(turns.c.ended_at_ms, turns.c.id, turns.c.session_id, turns.c.state, turns.c.model),
        *(turns.c.spent, turns.c.estimate, turns.c.flags),
    )
    .where(turns.c.person == bindparam("person"), turns.c.agent == bindparam("agent"))
    .where(turns.c.ended_at_ms.is_not(None), text(PRICED))
    .order_by(turns.c.ended_at_ms.desc(), _ROWID.desc())
    .limit(bindparam("most"))
)


class SqlView:
    """The `View` over a transaction's connection; useless once the transaction is over."""

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self._balances: dict[Scope, Balance] = {}
        self._open_turns: dict[str, tuple[Turn, ...]] = {}
        self._rows: dict[tuple[object, ...], Sequence[rows.Row]] = {}

    def close(self) -> None:
        """The transaction is over: whatever is asked from now on is an error."""
        self._connection = None

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise StoreError(
                "The view was used after its transaction: this is a fault of the program, please report it"
            )
        return self._connection

    @property
    def frozen(self) -> bool:
        return ledger.frozen(self._open)

    @property
    def policy(self) -> str:
        return ledger.policy(self._open)

    def balance(self, scope: Scope) -> Balance:
        return self.balances((scope,))[0]

    def balances(self, scopes: Sequence[Scope]) -> tuple[Balance, ...]:
        connection = self._open
        # Nothing is written while it is looked at: what was read once is so.
        if unread := [scope for scope in scopes if scope not in self._balances]:
            self._balances |= ledger.read_balances(connection, unread)
        return tuple(self._balances[scope] for scope in scopes)

    def lifts(self, now_ms: int) -> tuple[Lift, ...]:
        return ledger.lifts(self._open, now_ms)

    def quotas(self, agent: str) -> tuple[Quota, ...]:
        return tuple(rows.quota_of(row) for row in self._read(_QUOTAS, agent=agent))

    def session(self, session_id: str) -> Session | None:
        row = self._first(_SESSION, id=session_id)
        return None if row is None else rows.session_of(row)

    def current_session(self, thread: Thread) -> Session | None:
        row = self._first(_CURRENT_SESSION, **rows.thread_columns(thread))
        return None if row is None else rows.session_of(row)

    def is_forgotten(self, agent_session: str) -> bool:
        name = rows.forgotten_name(agent_session)
        return self._one(select(sessions).where(sessions.c.agent_session == name).limit(1)) is not None

    def session_of_agent(self, agent_session: str) -> Session | None:
        if agent_session.startswith(rows.FORGOTTEN):
            return None
        query = select(sessions).where(sessions.c.agent_session == agent_session)
        row = self._one(query.order_by(sessions.c.created_at_ms.desc(), _ROWID.desc()).limit(1))
        return None if row is None else rows.session_of(row)

    def sessions_named(self, beginning: str, limit: int) -> tuple[Session, ...]:
        query = select(sessions).where(sessions.c.id.startswith(beginning, autoescape=True))
        query = query.order_by(sessions.c.created_at_ms.desc(), _ROWID.desc()).limit(limit)
        return tuple(rows.session_of(row) for row in self._all(query))

    def unsettled_sessions(self, limit: int) -> tuple[Session, ...]:
        query = select(sessions).where(text(UNSETTLED)).order_by(sessions.c.created_at_ms + 0, _ROWID).limit(limit)
        return tuple(rows.session_of(row) for row in self._all(query))

    def thread_sessions(self, thread: Thread, limit: int = 10) -> tuple[Session, ...]:
        here = [sessions.c[name] == value for name, value in rows.thread_columns(thread).items()]
        works = select(turns.c.id).where(turns.c.session_id == sessions.c.id, turns.c.state.in_(AT_WORK)).exists()
        known = sessions.c.forgotten_at_ms.is_(None)
        query = select(sessions).where(*here, known, or_(sessions.c.unattended == 0, works))
        query = query.order_by(sessions.c.created_at_ms.desc(), _ROWID.desc()).limit(limit)
        return tuple(rows.session_of(row) for row in self._all(query))

    def turn(self, turn_id: str) -> Turn | None:
        row = self._first(_TURN, id=turn_id)
        return None if row is None else turn_rows.turn_of(row)

    def turn_of_prompt(self, session_id: str, prompt_uuid: str) -> Turn | None:
        query = select(turns).where(turns.c.session_id == session_id, turns.c.prompt_uuid == prompt_uuid)
        row = self._one(query.order_by(turns.c.created_at_ms.desc(), _ROWID.desc()).limit(1))
        return None if row is None else turn_rows.turn_of(row)

    def portions(self, first: date, begins: Sequence[int]) -> tuple[Portion, ...]:
        # The driver's own connection, in this transaction: reports beside the gateway ask the same.
        driver: Any = self._open.connection.driver_connection
        return tuple(Spendings(driver, Path()).portions(first, begins))

    def sessions_in(self, service: str, chat: str) -> frozenset[str]:
        query = select(sessions.c.id).where(sessions.c.service == service, sessions.c.chat == chat)
        return frozenset(self._open.scalars(query))

    def digests(self, service: str) -> tuple[Preferences, ...]:
        found = self._read(preferences.WITH_DIGEST, service=service)
        return tuple(preferences.of_row(Thread(service, row["chat"]), row) for row in found)

    def latest_turns(self, session_id: str, limit: int) -> tuple[Turn, ...]:
        query = select(turns).where(turns.c.session_id == session_id)
        query = query.order_by(turns.c.created_at_ms.desc(), _ROWID.desc()).limit(limit)
        return tuple(turn_rows.turn_of(row) for row in self._all(query))

    def all_open_turns(self) -> tuple[Turn, ...]:
        # `+ 0`: to sort the few open turns is less work than to walk along the index of all turns by age.
        query = select(turns).where(text(UNDONE)).order_by(turns.c.created_at_ms + 0, _ROWID)
        return tuple(turn_rows.turn_of(row) for row in self._all(query))

    def expected_turns(self, until_ms: int, limit: int) -> tuple[Turn, ...]:
        return tuple(turn_rows.turn_of(row) for row in self._read(_EXPECTED_TURNS, until_ms=until_ms, most=limit))

    def open_turns(self, session_id: str) -> tuple[Turn, ...]:
        connection = self._open
        if session_id not in self._open_turns:  # as with balances
            names, found = _OPEN_TURNS.values(connection, {"session_id": session_id})
            self._open_turns[session_id] = tuple(turn_rows.open_turn_of(names, row) for row in found)
        return self._open_turns[session_id]

    def approval(self, approval_id: str) -> Approval | None:
        row = self._first(_APPROVAL, id=approval_id)
        return None if row is None else self._approval(row)

    def approval_by_token(self, token: str) -> Approval | None:
        found = self._open.scalar(select(approval_tokens.c.approval_id).where(approval_tokens.c.token == token))
        return None if found is None else self.approval(found)

    def open_approvals(self, turn_id: str) -> tuple[Approval, ...]:
        return tuple(self._approval(row) for row in self._read(_OPEN_APPROVALS, turn_id=turn_id))

    def unheard_approvals(self, turn_id: str) -> tuple[Approval, ...]:
        over = approvals.c.state.in_((ApprovalState.ANSWERED, ApprovalState.EXPIRED))
        query = select(approvals).where(approvals.c.turn_id == turn_id, over, text(UNHEARD))
        return tuple(self._approval(row) for row in self._all(query.order_by(_ROWID)))

    def overdue_approvals(self, now_ms: int, limit: int) -> tuple[Approval, ...]:
        return tuple(self._approval(row) for row in self._read(_OVERDUE, now_ms=now_ms, most=limit))

    def unreminded_approvals(self, by_ms: int, limit: int) -> tuple[Approval, ...]:
        return tuple(self._approval(row) for row in self._read(_UNREMINDED, by_ms=by_ms, most=limit))

    def grants(self, person: str) -> tuple[Grant, ...]:
        return tuple(rows.grant_of(row) for row in self._read(_GRANTS, person=person))

    def all_grants(self) -> tuple[Grant, ...]:
        query = select(grants).order_by(grants.c.person, grants.c.chat)
        return tuple(rows.grant_of(row) for row in self._all(query))

    def message_id(self, ref: str) -> str | None:
        return posts.message_id(self._open, ref)

    def ref_of(self, thread: Thread, message_id: str) -> str | None:
        return posts.ref_of(self._open, thread, message_id)

    def is_waiting(self, ref: str) -> bool:
        return posts.is_waiting(self._open, ref)

    def unsent_files(self) -> frozenset[str]:
        return posts.unsent_files(self._open)

    def past_turns(self, person: str, agent: str, limit: int) -> tuple[Past, ...]:
        limit = min(limit, MOST_PAST_TURNS)
        asked = {"person": person, "agent": agent, "most": limit}
        own = [(ended, turn_rows.past_of(*row)) for ended, *row in _PAST_TURNS.values(self._open, asked)[1]]
        if (more := limit - len(own)) > 0:
            own += imported.latest(self._open, person, agent, more)
            own.sort(key=lambda one: -one[0])
        return tuple(past for _, past in own)

    def call_known(self, call_id: str) -> bool:
        return ledger.call_known(self._open, call_id)

    def metered(self, turn_id: str) -> tuple[Usage, ...]:
        return ledger.metered(self._open, turn_id)

    def unpriced(self, after: tuple[str, int], limit: int) -> tuple[tuple[Record, Usage], ...]:
        return ledger.unpriced(self._open, after, limit)

    def loan(self, loan_id: str) -> Loan | None:
        return loans.find(self._open, loan_id)

    def loans(self) -> tuple[Loan, ...]:
        return loans.unclosed(self._open)

    def untold(self, limit: int) -> tuple[tuple[Loan, Usd], ...]:
        return loans.untold(self._open, limit)

    def figures(self, limit: int) -> tuple[Figure, ...]:
        return loans.waiting(self._open, limit)

    def held(self, session_id: str) -> Held:
        return forgetting.held(self._open, session_id)

    def unmetered(self, agent_session: str) -> Unmetered | None:
        return unmetered.find(self._open, agent_session)

    def unmetered_told(self, since_ms: int) -> int:
        return unmetered.told(self._open, since_ms)

    def moves(self, service: str) -> tuple[tuple[str, str], ...]:
        return moves.moves(self._open, service)

    def shown_approvals(self, service: str, chat: str) -> tuple[Approval, ...]:
        here = (approvals.c.service == service) & (approvals.c.chat == chat) & (approvals.c.kind != ApprovalKind.MENU)
        shown = select(outbox.c.id).where(outbox.c.ref == literal(APPROVAL_REF) + approvals.c.id, outbox.c.edit == 0)
        query = select(approvals).where(here, text(OPEN), shown.where(outbox.c.state == "sent").exists())
        return tuple(self._approval(row) for row in self._all(query.order_by(_ROWID)))

    def preferences(self, thread: Thread) -> Preferences:
        row = self._first(preferences.OF_CHAT, service=thread.service, chat=thread.chat)
        return preferences.of_row(thread, row)

    def offered(self, service: str) -> tuple[str, ...]:
        return preferences.told(self._open, service)

    def left(self, turn_id: str) -> Left | None:
        return outcomes.find(self._open, turn_id)

    def commits_due(self, now_ms: int, limit: int) -> tuple[Commit, ...]:
        return outcomes.due(self._open, now_ms, limit)

    def traffic(self) -> Traffic:
        return posts.traffic(self._open)

    def heads(self) -> Heads:
        return watching.heads(self._open)

    def records(self, after: int, limit: int) -> tuple[Record, ...]:
        return watching.records(self._open, after, limit)

    def turns_after(self, after: int, limit: int) -> tuple[tuple[int, Turn], ...]:
        return watching.turns_after(self._open, after, limit)

    def standing(self) -> Standing:
        return watching.standing(self._open)

    def hooked(self) -> Hooked:
        return hooks.hooked(self._open)

    def _approval(self, row: rows.Row) -> Approval:
        tokens = tuple(found["token"] for found in self._read(_TOKENS, id=row["id"]))
        return approval_rows.approval_of(row, tokens)

    def _first(self, query: Prepared, **asked: str) -> rows.Row | None:
        return next(iter(self._read(query, **asked)), None)

    def _read(self, query: Prepared, **asked: str | int) -> Sequence[rows.Row]:
        connection, key = self._open, (query, *asked.values())
        if key not in self._rows:  # as with balances
            self._rows[key] = query.all(connection, asked)
        return self._rows[key]

    def _one(self, query: Select[*tuple[Any, ...]]) -> rows.Row | None:
        return self._open.execute(query).mappings().one_or_none()

    def _all(self, query: Select[*tuple[Any, ...]]) -> Iterable[rows.Row]:
        return self._open.execute(query).mappings().all()


def all_sessions(connection: Connection) -> tuple[Session, ...]:
    """Every session, oldest first."""
    query = select(sessions).order_by(sessions.c.created_at_ms, _ROWID)
    return tuple(rows.session_of(row) for row in connection.execute(query).mappings())
