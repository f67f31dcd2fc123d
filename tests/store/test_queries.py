"""What is asked often, or of tables that grow for years, goes along an index."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine

from gateway.domain.approval import ApprovalState
from gateway.domain.budget import Scope, ScopeKind
from gateway.domain.place import Thread
from gateway.domain.turn import TurnState
from gateway.store import Reader, SqliteStore, migrate, posts, sqlite
from gateway.store.inbox import DAY_MS
from gateway.store.view import SqlView
from tests.store.conftest import Clock
from tests.store.kit import APPROVAL, DAY, NOW, SESSION, TURN, put, raw, say, turn

pytestmark = pytest.mark.anyio

Ask = Callable[[Connection], object]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """An empty database: the planner then knows the indexes and nothing else, as in a database that was never analysed."""
    made = sqlite.writer(None)
    with made.begin() as connection:
        migrate.upgrade(connection)
    yield made
    made.dispose()


@contextmanager
def plans(connection: Connection) -> Iterator[list[str]]:
    """The plan of every query that is asked meanwhile, a line for each of its steps."""
    lines: list[str] = []
    asked: list[str] = []
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.set_trace_callback(asked.append)
    try:
        yield lines
    finally:
        driver.set_trace_callback(None)
    for statement in asked:
        lines.extend(row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}"))


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda c: SqlView(c).open_turns("s_1"), "turns_undone (session_id=?)"),
        (lambda c: SqlView(c).all_open_turns(), "INDEX turns_undone"),
        (lambda c: SqlView(c).lifts(NOW), "entries_timed (until_ms>?)"),
        (lambda c: SqlView(c).records(7, 5), "INTEGER PRIMARY KEY (rowid>?)"),
        (lambda c: SqlView(c).turns_after(7, 5), "INTEGER PRIMARY KEY (rowid>?)"),
        (lambda c: SqlView(c).standing(), "INDEX turns_unpriced"),
        (lambda c: SqlView(c).latest_turns("s_1", 5), "turns_session (session_id=?)"),
        (lambda c: SqlView(c).turn_of_prompt("s_1", "uuid-1"), "turns_session (session_id=?)"),
        (lambda c: SqlView(c).unheard_approvals("t_1"), "approvals_unheard (turn_id=?)"),
        (lambda c: SqlView(c).open_approvals("t_1"), "approvals_open (turn_id=?)"),
        (lambda c: SqlView(c).overdue_approvals(NOW, 1), "approvals_overdue (expires_at_ms<?)"),
        (lambda c: SqlView(c).unreminded_approvals(NOW, 1), "outbox_part (ref=?)"),
        (lambda c: Reader(c).report_rows(), "INDEX turns_created"),
        (lambda c: Reader(c).report_rows(["s_1"]), "turns_session (session_id=?)"),
        (lambda c: Reader(c).unpriced_calls(), "turns_unpriced"),
        (lambda c: SqlView(c).unpriced(("", 0), 200), "turns_unpriced"),
        (lambda c: Reader(c).never_arrived(NOW), "outbox_state (state=? AND created_at_ms>?)"),
        (lambda c: Reader(c).unlisted(), "entries_call (call_id>? AND call_id<?)"),
        (lambda c: SqlView(c).unmetered("9f1c"), "unmetered"),
        (lambda c: SqlView(c).past_turns("7", "claude", 300), "imported_turns_ended (agent=?)"),
        (posts.unsure, "outbox_state (state=?)"),
        (lambda c: posts.delayed_ms(c, "telegram", NOW), "outbox_delayed (service=? AND not_before_ms>?"),
    ],
)
def test_a_query_goes_along_its_index(engine: Engine, ask: Ask, index: str) -> None:
    """No table is read from end to end for it."""
    with engine.begin() as connection, plans(connection) as lines:
        ask(connection)
    steps = [line for line in lines if "sessions" not in line and "balances" not in line]
    assert any(index in line for line in steps), steps
    assert not [line for line in steps if line.startswith("SCAN") and "INDEX" not in line]


def test_the_balances_of_a_turn_are_found_by_their_keys(engine: Engine) -> None:
    """One query for all of them, that never walks along the balances of everything that ever was."""
    with engine.begin() as connection, plans(connection) as lines:
        SqlView(connection).balances([DAY, replace(DAY, key="2027-01-16"), Scope(ScopeKind.SESSION, "s_1")])
    assert [line for line in lines if "balances" in line] == 3 * [
        "SEARCH balances USING INDEX sqlite_autoindex_balances_1 (kind=? AND key=?)"
    ]


@pytest.mark.parametrize(
    "ask",
    [lambda c: SqlView(c).open_turns("s_1"), lambda c: Reader(c).report_rows(), posts.unsure],
)
def test_what_an_index_holds_in_order_is_not_sorted(engine: Engine, ask: Ask) -> None:
    """Oldest first, or newest first, is how it lies there."""
    with engine.begin() as connection, plans(connection) as lines:
        ask(connection)
    assert not [line for line in lines if "turns" in line and "TEMP B-TREE" in line]


def test_the_next_messages_are_found_from_thread_to_thread(engine: Engine) -> None:
    """However much waits in each: the first by the service, the next by the thread before, those that are stuck by name."""
    with engine.begin() as connection, plans(connection) as lines:
        posts.due(connection, "telegram", 10, NOW)
    heads = [line for line in lines if "outbox" in line]
    queue = "SEARCH outbox USING INDEX outbox_queue"
    assert f"{queue} (service=?)" in heads
    assert f"{queue} (service=? AND chat=? AND topic>?)" in heads
    assert f"{queue} (service=? AND chat>?)" in heads
    assert "SEARCH outbox USING INDEX outbox_state (state=?)" in heads
    assert any("outbox_delayed (service=? AND not_before_ms>?" in line for line in heads)
    assert not [line for line in lines if line.startswith("SCAN outbox")]


async def test_to_find_the_next_messages_costs_as_much_as_there_are_threads(store: SqliteStore) -> None:
    """A hundred times as many messages in the same threads take the same work."""
    await put(store, posts=tuple(say(f"a{n}", thread=Thread("telegram", str(n))) for n in range(5)))
    before = await work(store)
    await put(store, posts=tuple(say(f"b{n}", thread=Thread("telegram", str(n % 5))) for n in range(500)))
    assert await work(store) <= 1.5 * before


async def work(store: SqliteStore) -> int:
    """How many hundreds of steps of SQLite's machine it takes to find the next messages."""
    driver = await store._reads.run(lambda connection: connection.connection.driver_connection)
    assert driver is not None
    ticks: list[None] = []
    driver.set_progress_handler(lambda: ticks.append(None), 10)
    assert len(await store.outbox("telegram", 100, NOW)) == 5
    driver.set_progress_handler(None, 0)
    return len(ticks)


async def test_tokens_of_what_was_closed_long_ago_are_forgotten(store: SqliteStore, clock: Clock) -> None:
    """After ninety days; those of open questions stay, and the approval itself is still known."""
    closed = replace(APPROVAL, id="a_2", state=ApprovalState.ANSWERED, tokens=("token-c", "token-d"))
    await put(store, put=(SESSION, TURN, turn(2, state=TurnState.FINISHED), APPROVAL, closed))
    counts = []
    for days in (89, 91):
        clock.ms = NOW + days * DAY_MS
        await store.accept("telegram", [(f"{days}", "")], clock.ms)
        counts.append(raw(store).execute("SELECT count(*) FROM approval_tokens").fetchone()[0])
    assert counts == [4, 2]
    assert await store.read(lambda view: view.approval_by_token("token-c")) is None
    assert await store.read(lambda view: (view.approval_by_token("token-a"), view.approval("a_2"))) == (
        APPROVAL,
        replace(closed, tokens=()),
    )
