"""Group commit: what happens to each caller when others fail, are cancelled, or the disk gives up."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from gateway.domain.money import Usd
from gateway.ports import Decision, StoreError, View
from gateway.store import SqliteStore, open_store
from gateway.store.home import DATABASE
from tests.store.kit import DAY, NOW, SESSION, TURN, always, call, hold, put, raw, say, sessions, verify

pytestmark = pytest.mark.anyio


class Gate:
    """A decision that waits in its transaction until it is let go."""

    def __init__(self, name: str = "gate") -> None:
        self.name = name
        self.reached = anyio.Event()
        self.let_go = threading.Event()

    def decide(self, _view: View) -> Decision[str]:
        anyio.from_thread.run_sync(self.reached.set)
        assert self.let_go.wait(10)
        return Decision("gate", entries=(call(self.name, 1, 0),))


async def known(store: SqliteStore, *call_ids: str) -> list[bool]:
    """Which of the calls are in the ledger."""
    return await store.read(lambda view: [view.call_known(call_id) for call_id in call_ids])


async def test_callers_share_a_commit_and_one_that_fails_fails_alone(store: SqliteStore) -> None:
    """The others of its batch are written, in order, and it alone hears of its error."""
    commits: list[str] = []
    raw(store).set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    failed: list[str] = []

    async def one(number: int) -> None:
        def decide(_view: View) -> Decision[None]:
            if number == 7:
                raise ZeroDivisionError
            again = 1 if number == 9 else number
            return Decision(None, entries=(hold(1), call(f"c{again}", 1, 1)))

        try:
            await store.transact(decide, NOW)
        except (ZeroDivisionError, StoreError) as error:
            failed.append(type(error).__name__)

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(one, number)
    raw(store).set_trace_callback(None)
    assert sorted(failed) == ["StoreError", "ZeroDivisionError"]
    assert await known(store, "c6", "c7", "c8", "c9", "c19") == [True, False, True, False, True]
    assert (await store.read(lambda view: view.balance(DAY))).spent == Usd(18)
    assert 1 <= len(commits) <= 3
    assert await verify(store) == ()


async def test_of_a_caller_that_fails_alone_nothing_is_kept(store: SqliteStore) -> None:
    """Whatever it had written before the error is gone, the error is its own, and the next caller's work is written."""

    def broken(_view: View) -> Decision[None]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.transact(broken, NOW)
    with pytest.raises(StoreError, match="contradicts what is there"):
        await put(store, put=(TURN,), entries=(call("orphan", 1, 0),))  # its session is not there
    with pytest.raises(StoreError, match="in the ledger already"):
        await put(store, put=(SESSION,), entries=(call("twice", 1, 0), call("twice", 1, 0)))
    assert await sessions(store) == ()
    await put(store, entries=(call("next", 1, 0),))
    assert await known(store, "orphan", "twice", "next") == [False, False, True]
    assert await verify(store) == ()


async def test_a_caller_cancelled_while_it_waits_never_happens(store: SqliteStore) -> None:
    """Its job is taken off the list, and those behind it are written."""
    gate = Gate()
    scope = anyio.CancelScope()

    async def cancelled() -> None:
        with scope:
            await put(store, entries=(call("cancelled", 1, 0),))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.transact, gate.decide, NOW)
        await gate.reached.wait()
        tasks.start_soon(cancelled)
        tasks.start_soon(lambda: put(store, entries=(call("behind", 1, 0),)))
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        gate.let_go.set()
    assert scope.cancelled_caught
    assert await known(store, "gate", "cancelled", "behind") == [True, False, True]


async def test_a_caller_cancelled_in_its_transaction_finishes_it_first(store: SqliteStore) -> None:
    """The cancelled one that runs the batch, and the cancelled one whose job is in it, both are written whole."""
    gate = Gate()
    scopes = (anyio.CancelScope(), anyio.CancelScope())

    async def caller(scope: anyio.CancelScope, decide: Callable[[View], Decision[str]]) -> None:
        with scope:
            await store.transact(decide, NOW)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller, scopes[0], gate.decide)
        tasks.start_soon(caller, scopes[1], always(Decision("second", put=(SESSION,), entries=(call("second", 1, 0),))))
        await gate.reached.wait()
        for scope in scopes:
            scope.cancel()
        await anyio.wait_all_tasks_blocked()
        gate.let_go.set()
    assert await known(store, "gate", "second") == [True, True]
    assert await sessions(store) == (SESSION,)


@pytest.mark.parametrize("behind", [True, False])
async def test_cancelling_at_every_await_leaves_no_half_state(store: SqliteStore, behind: bool) -> None:
    """Whenever it comes, the decision is there as a whole or not at all, and the store goes on.

    Once with the victim in the first batch, once behind a batch that is at work.
    """
    outcomes = []
    for steps in range(40):
        scope = anyio.CancelScope()
        gate = Gate(f"g{steps}")
        names = [f"{steps}.{other}" for other in range(3)]

        async def victim(scope: anyio.CancelScope = scope, name: str = f"m{steps}") -> None:
            with scope:
                await put(store, entries=(call(name, 1, 0),), posts=(say(name),))

        async with anyio.create_task_group() as tasks:
            if behind:
                tasks.start_soon(store.transact, gate.decide, NOW)
                await gate.reached.wait()
            for call_id in names:
                tasks.start_soon(lambda call_id=call_id: put(store, entries=(call(call_id, 1, 0),)))
                tasks.start_soon(victim) if call_id == names[0] else None
            await anyio.lowlevel.checkpoint()
            gate.let_go.set()
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            scope.cancel()
        booked = (await known(store, f"m{steps}"))[0]
        said = raw(store).execute("SELECT count(*) FROM outbox WHERE ref = ?", (f"m{steps}",)).fetchone()
        assert booked == (said == (1,))
        assert all(await known(store, *names))
        outcomes.append(booked)
    assert outcomes[0] is not behind
    assert not store._commits._waiting
    assert await verify(store) == ()


async def test_a_caller_that_is_cancelled_already_writes_nothing(store: SqliteStore) -> None:
    """Also when nobody is in its way."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await put(store, put=(SESSION,))
    assert await sessions(store) == ()


async def test_a_caller_torn_from_its_thread_does_not_disturb_the_others(store: SqliteStore) -> None:
    """A library that cancels tasks past our shields cannot make two transactions meet."""
    gate = Gate()
    leader = asyncio.create_task(store.transact(gate.decide, NOW))
    await gate.reached.wait()
    followers = [asyncio.create_task(put(store, entries=(call(f"f{n}", 1, 0),))) for n in range(3)]
    await anyio.wait_all_tasks_blocked()
    leader.cancel()
    await anyio.wait_all_tasks_blocked()
    gate.let_go.set()
    with anyio.fail_after(30):
        with pytest.raises(asyncio.CancelledError):
            await leader
        await asyncio.gather(*followers)
    assert await known(store, "gate", "f0", "f1", "f2") == [True] * 4
    assert await verify(store) == ()


async def test_a_full_disk_fails_every_caller_and_keeps_nothing_of_them(store: SqliteStore) -> None:
    """The error says what to do; with room again the store goes on."""
    await put(store, put=(SESSION,))
    (pages,) = raw(store).execute("PRAGMA page_count").fetchone()
    (most,) = raw(store).execute("PRAGMA max_page_count").fetchone()
    raw(store).execute(f"PRAGMA max_page_count = {pages + 4}")
    kept, failed = [], []

    async def one(number: int) -> None:
        try:
            await put(store, entries=(call(f"c{number}", 1, 0),), posts=(say(f"m{number}", "x" * 20_000),))
            kept.append(number)
        except StoreError as error:
            failed.append(str(error))

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(one, number)
    assert failed
    assert all("The disk is full, and nothing was written; make room" in words for words in failed)
    raw(store).execute(f"PRAGMA max_page_count = {most}")
    assert len(await store.outbox("telegram", 100, NOW)) == len(kept)
    assert sum(await known(store, *(f"c{number}" for number in range(10)))) == len(kept)
    await put(store, posts=(say("after", "x" * 20_000),))
    assert await verify(store) == ()


async def test_a_commit_that_fails_keeps_nothing(store: SqliteStore) -> None:
    """Every caller of the batch gets the error, none sees its own work."""
    raw(store).execute("CREATE TABLE parent (id INTEGER PRIMARY KEY) STRICT")
    raw(store).execute("CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED) STRICT")
    raw(store).execute("CREATE TRIGGER late AFTER INSERT ON entries BEGIN INSERT INTO child VALUES (1); END")
    failed = []

    async def one(number: int) -> None:
        try:
            await put(store, entries=(call(f"c{number}", 1, 0),))
        except StoreError as error:
            failed.append(error)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(one, number)
    assert len(failed) == len(set(map(id, failed))) == 3
    raw(store).execute("DROP TRIGGER late")
    assert await known(store, "c0", "c1", "c2") == [False] * 3
    await put(store, entries=(call("c0", 1, 0),))
    assert await verify(store) == ()


class TornError(BaseException):
    """Like an interrupt: nothing that a decision may raise, and it ends the whole batch."""


async def test_a_batch_that_is_torn_apart_is_nobodys_success(store: SqliteStore) -> None:
    """Who shared the transaction hears that nothing was kept, also if its own part had gone well."""
    heard = []

    async def one(name: str) -> None:
        def decide(_view: View) -> Decision[None]:
            if name == "torn":
                raise TornError
            return Decision(None, entries=(call(name, 1, 0),))

        try:
            await store.transact(decide, NOW)
        except (StoreError, TornError) as error:
            heard.append(type(error))

    async with anyio.create_task_group() as tasks:
        for name in ("torn", "after"):
            tasks.start_soon(one, name)
    assert heard == [TornError, StoreError]
    async with anyio.create_task_group() as tasks:
        for name in ("before", "torn", "after"):
            tasks.start_soon(one, name)
    assert sorted(map(str, heard[2:])) == sorted(map(str, [TornError, StoreError, StoreError]))
    assert await known(store, "before", "after") == [False, False]
    await put(store, entries=(call("after", 1, 0),))
    assert await verify(store) == ()


async def test_another_writer_makes_the_store_say_so_after_a_while(home: Path) -> None:
    """The wait has a limit, nothing is kept, and afterwards the store goes on."""
    async with open_store(home) as store:
        raw(store).execute("PRAGMA busy_timeout = 20")
        other = sqlite3.connect(home / DATABASE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="Another program holds the database"):
            await put(store, put=(SESSION,))
        other.execute("ROLLBACK")
        other.close()
        assert await sessions(store) == ()
        await put(store, put=(SESSION,))


async def test_too_many_callers_are_turned_away(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of those who wait has a limit."""
    monkeypatch.setattr("gateway.store.commits.MOST_WAITING", 2)
    gate = Gate()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.transact, gate.decide, NOW)
        await gate.reached.wait()
        for number in range(2):
            tasks.start_soon(lambda number=number: put(store, entries=(call(f"c{number}", 1, 0),)))
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(StoreError, match="cannot keep up"):
            await put(store, put=(SESSION,))
        gate.let_go.set()
    assert await known(store, "c0", "c1") == [True, True]


async def test_a_closed_store_says_so() -> None:
    """Whoever comes late gets an error, and so does who waited while it closed."""
    gate = Gate()
    errors = []

    async def late(store: SqliteStore) -> None:
        try:
            await put(store, put=(SESSION,))
        except StoreError as error:
            errors.append(str(error))

    async with anyio.create_task_group() as tasks:
        async with open_store(None) as store:
            tasks.start_soon(store.transact, gate.decide, NOW)
            await gate.reached.wait()
            tasks.start_soon(late, store)
            await anyio.wait_all_tasks_blocked()
            gate.let_go.set()
        await late(store)
        with pytest.raises(StoreError, match="was closed"):
            await sessions(store)
    assert len(errors) >= 1
    assert set(errors) == {"The database was closed: the gateway is stopping"}


async def test_a_read_waits_for_no_transaction_and_sees_all_that_was_committed_before(home: Path) -> None:
    """Beside a decision that is at work, and beside another program that holds the database, what is committed is read."""
    gate = Gate()
    async with open_store(home) as store:
        await put(store, entries=(call("before", 1, 0),))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.transact, gate.decide, NOW)
            await gate.reached.wait()
            with anyio.fail_after(30):
                assert await known(store, "before", "gate") == [True, False]
            gate.let_go.set()
        other = sqlite3.connect(home / DATABASE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with anyio.fail_after(30):
            assert await known(store, "before", "gate") == [True, True]
        other.close()
        for number in range(50):
            await put(store, entries=(call(f"c{number}", 1, 0),))
            assert await known(store, f"c{number}") == [True]


async def test_a_read_cannot_write(home: Path) -> None:
    """Not even by a fault of the program: its connection is for looking only."""
    async with open_store(home) as store:
        with pytest.raises(StoreError, match="cannot be written"):
            await store._reads.run(lambda connection: connection.exec_driver_sql("DELETE FROM sessions"))
        assert await sessions(store) == ()
