"""The ledger: append-only, chained, and the truth of which balances are the sum."""

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from gateway.domain.budget import Entry, EntryKind, Scope, ScopeKind
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Turn, TurnState
from gateway.ports import Decision, StoreError, View
from gateway.store import Flaw, SqliteStore, ledger, open_store
from tests.store.kit import DAY, NOW, SESSION, call, hold, limit, put, raw, turn, verify

pytestmark = pytest.mark.anyio

REST = "detail, previous_hash, hash, version, tokens, calls, work_ms, tokens_cap, calls_cap, work_ms_cap, until_ms"
SAME = 'at_ms, kind, scopes, turn_id, session_id, who, why, spent, held, "limit"'


async def test_a_tampered_entry_is_told_by_its_number(store: SqliteStore) -> None:
    """Whatever field was changed."""
    await put(store, entries=(limit(9), call("c1", 5, 0), call("c2", 5, 0)))
    break_open(store)
    raw(store).execute("UPDATE entries SET detail = '{}' WHERE seq = 2")
    assert await verify(store) == (Flaw(2, "the entry is not what was written"),)


@pytest.mark.parametrize("version", [1, 2, 4])
async def test_an_entry_that_claims_another_version_is_told(store: SqliteStore, version: int) -> None:
    """Nobody escapes a rule for hashing by naming an older one, or one that there is not."""
    await put(store, entries=(limit(9),))
    break_open(store)
    raw(store).execute("UPDATE entries SET version = ?", (version,))
    assert await verify(store) == (Flaw(1, "the entry is not what was written"),)


@pytest.mark.parametrize("change", ["tokens = 5", "calls_cap = 9", "calls_cap = 0", "until_ms = 9", "until_ms = 0"])
async def test_what_the_hash_of_an_older_entry_does_not_cover_cannot_be_filled_in(
    store: SqliteStore, change: str
) -> None:
    """Columns that came later are empty in entries that were written before."""
    await put(store, entries=(limit(9),))
    break_open(store)
    row = raw(store).execute("SELECT * FROM entries").fetchone()
    names = [column[1] for column in raw(store).execute("PRAGMA table_info(entries)")]
    old = dict(zip(names, row, strict=True)) | {"version": 2}
    raw(store).execute("UPDATE entries SET version = 2, hash = ?", (ledger.entry_hash(old),))
    assert await verify(store) == ()
    raw(store).execute(f"UPDATE entries SET {change}")  # noqa: S608 - words of this file
    assert Flaw(1, "the entry is not what was written") in await verify(store)


async def test_an_entry_rewritten_with_a_fitting_hash_breaks_the_next(store: SqliteStore) -> None:
    """The chain gives away who recomputes one link."""
    await put(store, entries=(limit(9), call("c1", 5, 0), call("c2", 5, 0)))
    break_open(store)
    raw(store).execute("UPDATE entries SET hash = 'f' WHERE seq = 2")
    assert [flaw.seq for flaw in await verify(store)] == [2, 3]


async def test_a_missing_entry_is_told(store: SqliteStore) -> None:
    """In the middle by the numbers, at the end by the balances."""
    await put(store, entries=(limit(9), call("c1", 5, 0), limit(9)))
    break_open(store)
    raw(store).execute("DELETE FROM entries WHERE seq = 2")
    assert [flaw.seq for flaw in await verify(store)] == [3, 3, None]
    raw(store).execute("DELETE FROM entries")
    assert await verify(store) == (Flaw(None, f"the balance of {DAY} is not the sum of its entries"),)


async def test_a_tampered_balance_is_told(store: SqliteStore) -> None:
    """A balance is nothing but the fold over its entries."""
    await put(store, entries=(limit(9),))
    raw(store).execute('UPDATE balances SET "limit" = 10')
    assert [flaw.seq for flaw in await verify(store)] == [None]


async def test_unreadable_scopes_are_told(store: SqliteStore) -> None:
    """Damage is reported, not raised."""
    await put(store, entries=(Entry(EntryKind.FREEZE, ()),))
    break_open(store)
    raw(store).execute("UPDATE entries SET scopes = '['")
    assert [flaw.what for flaw in await verify(store)] == [
        "the entry is not what was written",
        "the entry's scopes cannot be read",
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET why = 'x'",
        "DELETE FROM entries",
        "INSERT OR REPLACE INTO entries SELECT * FROM entries",
        "INSERT INTO entries SELECT 9, {same}, 'other', {rest} FROM entries",
        "INSERT OR REPLACE INTO entries SELECT 2, {same}, call_id, {rest} FROM entries",
    ],
)
async def test_the_database_itself_refuses_to_change_an_entry(store: SqliteStore, statement: str) -> None:
    """Update, delete, replace and a number out of order all abort."""
    await put(store, entries=(call("c1", 5, 0),))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw(store).execute(statement.replace("{same}", SAME).replace("{rest}", REST))
    assert await verify(store) == ()


async def test_freeing_more_than_is_held_is_booked_and_told(store: SqliteStore) -> None:
    """What was spent is a fact, so the entry is written; held stays at zero, and the fault is shown."""
    await put(store, entries=(hold(3), call("c1", 10, 5), hold(4)))
    balance = await store.read(lambda view: view.balance(DAY))
    assert (balance.spent, balance.held) == (Usd(10), Usd(4))
    assert await verify(store) == (Flaw(2, f"more is freed than is held on {DAY}"),)


async def test_a_scope_named_twice_counts_once(store: SqliteStore) -> None:
    """An entry applies to each of its scopes."""
    await put(store, entries=(Entry(EntryKind.HOLD, (DAY, DAY), held=Usd(5)),))
    assert (await store.read(lambda view: view.balance(DAY))).held == Usd(5)
    assert await verify(store) == ()


async def test_a_thousand_holds_at_once_never_exceed_the_limit(store: SqliteStore) -> None:
    """Each decision sees what those before it took: check and hold cannot be told apart."""
    await put(store, entries=(limit(1000),))
    taken = []

    async def take(number: int) -> None:
        amount = Usd(1 + number % 7)

        def decide(view: View) -> Decision[bool]:
            remaining = view.balance(DAY).remaining
            fits = remaining is not None and amount <= remaining
            return Decision(fits, entries=(hold(amount.nano),) if fits else ())

        if (await store.transact(decide, NOW)).result:
            taken.append(amount.nano)

    async with anyio.create_task_group() as tasks:
        for number in range(1000):
            tasks.start_soon(take, number)
    balance = await store.read(lambda view: view.balance(DAY))
    assert balance.held == Usd(sum(taken)) == Usd(1000)
    assert await verify(store) == ()


def break_open(store: SqliteStore) -> None:
    """What somebody with the file and a will can do."""
    for name in ("entries_stay", "entries_remain", "entries_follow"):
        raw(store).execute(f"DROP TRIGGER {name}")


AMOUNTS = st.integers(min_value=0, max_value=400)
DAYS = st.sampled_from([DAY, Scope(ScopeKind.DAY, "2027-01-16")])
Step = Callable[[SqliteStore], Any]


def take_hold(turn_id: str, amount: int, day: Scope) -> Step:
    """Take a hold for a new turn, if its scopes allow it."""
    scopes = (Scope(ScopeKind.SESSION, "s_1"), day)

    def decide(view: View) -> Decision[None]:
        left = [left for scope in scopes if (left := view.balance(scope).remaining) is not None]
        if any(Usd(amount) > remaining for remaining in left):
            return Decision(None)
        number = int(turn_id.removeprefix("t_"))
        new = turn(number, state=TurnState.HELD, scopes=scopes, hold=Usd(amount), held_left=Usd(amount), spent=ZERO)
        return Decision(None, put=(new,), entries=(Entry(EntryKind.HOLD, scopes, turn_id, "s_1", held=Usd(amount)),))

    return lambda store: store.transact(decide, NOW)


def meter(turn_id: str, call_id: str, cost: int) -> Step:
    """Book a call of a turn, unless it is known."""

    def decide(view: View) -> Decision[None]:
        found = view.turn(turn_id)
        if found is None or found.state is not TurnState.HELD or view.call_known(call_id):
            return Decision(None)
        freed = min(Usd(cost), found.held_left)
        after = replace(found, held_left=found.held_left - freed, spent=found.spent + Usd(cost))
        entry = Entry(
            EntryKind.CALL, found.scopes, turn_id, "s_1", spent=Usd(cost), held=-freed, call_id=call_id, detail="{}"
        )
        return Decision(None, put=(after,), entries=(entry,))

    return lambda store: store.transact(decide, NOW)


def settle(turn_id: str) -> Step:
    """End a turn and free what is left of its hold."""

    def decide(view: View) -> Decision[None]:
        found = view.turn(turn_id)
        if found is None or found.state is not TurnState.HELD:
            return Decision(None)
        after = replace(found, state=TurnState.FINISHED, held_left=ZERO)
        return Decision(None, put=(after,), entries=(Entry(EntryKind.SETTLED, found.scopes, held=-found.held_left),))

    return lambda store: store.transact(decide, NOW)


def set_limit(amount: int, day: Scope) -> Step:
    """Set a limit, up or down."""
    return lambda store: put(store, entries=(limit(amount, day),))


def charge_twice(call_id: str) -> Step:
    """Report a call without looking whether it is known."""

    async def step(store: SqliteStore) -> None:
        known = await store.read(lambda view: view.call_known(call_id))
        try:
            await put(store, entries=(call(call_id, 1, 0),))
        except StoreError:
            assert known or await store.read(lambda view: view.call_known(call_id))

    return step


class LedgerMachine(RuleBasedStateMachine):
    """Steps of many turns, one by one and at once."""

    turns = Bundle("turns")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.portal = self.stack.enter_context(start_blocking_portal())
        self.store = self.stack.enter_context(self.portal.wrap_async_context_manager(open_store(None, lambda: NOW)))
        self.count = 0
        self.later: list[Step] = []

    def teardown(self) -> None:
        """Close the store."""
        self.stack.close()

    def do(self, step: Step, *, at_once: bool) -> None:
        """Now, or together with others."""
        if at_once:
            self.later.append(step)
        else:
            self.portal.call(step, self.store)

    @initialize()
    def begin(self) -> None:
        """The session that the turns belong to."""
        self.portal.call(lambda: put(self.store, put=(SESSION,)))

    @rule(target=turns, amount=AMOUNTS, day=DAYS, at_once=st.booleans())
    def hold(self, amount: int, day: Scope, at_once: bool) -> str:
        self.count += 1
        turn_id = f"t_{self.count}"
        self.do(take_hold(turn_id, amount, day), at_once=at_once)
        return turn_id

    @rule(turn_id=turns, call_id=st.integers(0, 30), cost=AMOUNTS, at_once=st.booleans())
    def call(self, turn_id: str, call_id: int, cost: int, at_once: bool) -> None:
        self.do(meter(turn_id, f"c{call_id}", cost), at_once=at_once)

    @rule(call_id=st.integers(0, 30), at_once=st.booleans())
    def report(self, call_id: int, at_once: bool) -> None:
        self.do(charge_twice(f"c{call_id}"), at_once=at_once)

    @rule(turn_id=turns, at_once=st.booleans())
    def settle(self, turn_id: str, at_once: bool) -> None:
        self.do(settle(turn_id), at_once=at_once)

    @rule(amount=AMOUNTS, day=DAYS, at_once=st.booleans())
    def limit(self, amount: int, day: Scope, at_once: bool) -> None:
        self.do(set_limit(amount, day), at_once=at_once)

    @rule()
    def all_at_once(self) -> None:
        """What was put off happens, all at the same time."""
        steps, self.later = self.later, []

        async def run() -> None:
            async with anyio.create_task_group() as tasks:
                for step in steps:
                    tasks.start_soon(step, self.store)

        self.portal.call(run)

    @invariant()
    def the_books_balance(self) -> None:
        """The chain holds, every balance is its fold, and what is held is what the turns have left."""
        assert self.portal.call(verify, self.store) == ()

        def look(view: View) -> tuple[tuple[Turn, ...], Usd]:
            return view.all_open_turns(), view.balance(Scope(ScopeKind.SESSION, "s_1")).held

        turns, held = self.portal.call(self.store.read, look)
        assert held == Usd(sum(turn.held_left.nano for turn in turns))
        assert held >= ZERO


LedgerMachine.TestCase.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLedger = LedgerMachine.TestCase
