"""What the store's tests share: values with every field set, and a store in memory or on disk."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.domain.approval import Approval, ApprovalKind, Choice, Option
from gateway.domain.budget import Entry, EntryKind, Lift, Scope, ScopeKind, Unit
from gateway.domain.estimate import Estimate
from gateway.domain.files import Attachment, FileKind
from gateway.domain.money import Usd
from gateway.domain.place import Session, Thread
from gateway.domain.turn import Origin, Outcome, OutcomeKind, Turn, TurnState
from gateway.domain.usage import Flag, Parts, Tokens
from gateway.ports import Decision, NewPost, Store, View
from gateway.store import Flaw, SqliteStore, ledger
from gateway.store.view import all_sessions

NOW = 1_800_000_000_000
THREAD = Thread("telegram", "4711")
DAY = Scope(ScopeKind.DAY, "2027-01-15")
LIMIT = Usd(1000)

SESSION = Session(
    id="s_1",
    agent="claude",
    directory="/srv/project",
    thread=THREAD,
    owner="7",
    created_at_ms=NOW,
    agent_session="0c6a",
    model="a-model",
    context_tokens=1234,
    last_call_at_ms=NOW - 5,
    cache_ttl_s=3600,
    title="Fix the login test",
    mode="plan",
)
SPOKEN = Attachment("f3", "c.ogg", FileKind.VOICE, 5, 7, album="9", passed_on=True, heard="hi")
TURN = Turn(
    id="t_1",
    session_id="s_1",
    origin=Origin.PERSON,
    state=TurnState.RUNNING,
    person="7",
    prompt="fix it: 'quotes', \"more\", ünïcödé \U0001f6a7",
    prompt_uuid="uuid-1",
    created_at_ms=NOW,
    model="a-model",
    scopes=(Scope(ScopeKind.SESSION, "s_1"), DAY),
    estimate=Estimate(Usd(1), Usd(2), None, 9, Usd(4), "words", unpriced="a-model"),
    hold=Usd(10),
    held_left=Usd(4),
    ceiling=Usd(20),
    spent=Usd(6),
    parts=Parts(Usd(1), Usd(2), output=Usd(3)),
    tokens=Tokens(1, 2, 3, 4, 5, 6, 2),
    calls=2,
    work_ms=61_000,
    lifts=(Lift(DAY, Unit.CALLS, 50),),
    unpriced_calls=1,
    unpriced_allowed=True,
    flags=frozenset({Flag.LOWER_BOUND, Flag.RECONCILED}),
    outcome=Outcome(OutcomeKind.ANSWER, "done"),
    started_at_ms=NOW + 1,
    ended_at_ms=None,
    attachments=(Attachment("f1", "a.png", FileKind.PHOTO), Attachment("f2", "b.pdf", FileKind.DOCUMENT, 5), SPOKEN),
    message_id="77",
)
APPROVAL = Approval(
    id="a_1",
    kind=ApprovalKind.LIMIT,
    turn_id="t_1",
    session_id="s_1",
    thread=THREAD,
    text="Go on?",
    options=(
        Option(Choice.RAISE, "Raise +$5", allows=Usd(9), lifts=(Lift(DAY, Unit.USD, 5),)),
        Option(Choice.ANSWER, "Blue", value="blue"),
    ),
    tokens=("token-b", "token-a"),
    digest="d1",
    expires_at_ms=NOW + 1000,
    request_id="r_1",
    answered_by="7",
    answer="raise",
)


def turn(number: int, **changes: Any) -> Turn:
    """Another turn of the same session, made `number` milliseconds later."""
    return replace(TURN, id=f"t_{number}", prompt_uuid=f"uuid-{number}", created_at_ms=NOW + number, **changes)


def always(decision: Decision) -> Callable[[View], Decision]:
    """Decide the same whatever is there."""
    return lambda _view: decision


def hold(amount: int, scope: Scope = DAY) -> Entry:
    """A hold on one scope."""
    return Entry(EntryKind.HOLD, (scope,), held=Usd(amount))


def limit(amount: int, scope: Scope = DAY) -> Entry:
    """A new limit of one scope."""
    return Entry(EntryKind.LIMIT, (scope,), limit=Usd(amount), who="7", why="asked")


def call(call_id: str, cost: int, freed: int, scope: Scope = DAY) -> Entry:
    """A metered call on one scope."""
    return Entry(EntryKind.CALL, (scope,), spent=Usd(cost), held=Usd(-freed), call_id=call_id)


def say(ref: str, *bodies: str, thread: Thread = THREAD) -> NewPost:
    """A message to send."""
    return NewPost(thread, ref, bodies or (ref,))


def edit(ref: str, body: str, thread: Thread = THREAD) -> NewPost:
    """A change of a message."""
    return NewPost(thread, ref, (body,), edit=True)


def as_port(store: SqliteStore) -> Store:
    """The type checker's proof that this is a Store."""
    return store


async def sessions(store: Any) -> tuple[Session, ...]:
    """Every session, oldest first, as the Reader tells them."""
    return await store._reads.run(all_sessions)


async def verify(store: SqliteStore) -> tuple[Flaw, ...]:
    """What is not as it was written in the ledger and its balances; empty: nothing."""
    return await store._reads.run(ledger.verify)


async def put(store: SqliteStore, **parts: Any) -> None:
    """Write a decision without looking."""
    await store.transact(always(Decision(None, **parts)), NOW)


def raw(store: SqliteStore) -> sqlite3.Connection:
    """The connection underneath, for breaking things."""
    connection = store._commits._engine.raw_connection().driver_connection
    assert isinstance(connection, sqlite3.Connection)
    return connection
