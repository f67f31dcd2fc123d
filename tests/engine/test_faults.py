"""The gateway is cancelled, or its database fails, or its clock is set back, at any moment: money and messages come out right."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest

from gateway import lock
from gateway.agents.scripted import MODEL, UseTool, Wait
from gateway.chats.memory import MemoryChat
from gateway.core import scopes
from gateway.core.price import price
from gateway.domain.budget import BOOKED, Scope, ScopeKind
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Thread
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Rates
from gateway.engine import ATTEMPTS_MAX, Clock
from gateway.ports import Post, Receipt, Store, StoreError
from gateway.store import home, sqlite
from tests.engine.bench import OWNER, THREAD, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

DAY_MS = 86_400_000
WORK = script(call(10), UseTool("Bash", "ls"), call(10), UseTool("Bash", "ls"), call(10))
STEPS_SEEN_MAX = 60


def charged(*gateways: Bench) -> Usd:
    """What the agents of these gateways really charged."""
    total = ZERO
    for gateway in gateways:
        rates = gateway.world.rates(MODEL)
        assert isinstance(rates, Rates)
        for charge in gateway.agent.charges:
            total += price(charge.call.usage, rates)
    return total


def ended(turns: list[Turn]) -> bool:
    """There are turns, and none is open."""
    return bool(turns) and all(turn.ended_at_ms is not None for turn in turns)


class FailingStore:
    """The store, except that its `nth` write from now on fails as on a full disk, and every one after it."""

    def __init__(self, store: Store, nth: int) -> None:
        self._store = store
        self._left = nth

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def transact(self, *arguments: Any) -> Any:
        """Count down, then fail."""
        self._left -= 1
        if self._left < 0:
            raise StoreError("The disk is full: nothing was written")
        return await self._store.transact(*arguments)


async def settled_by_the_next(place: Path, chat: MemoryChat, first: Bench) -> None:
    """The next gateway brings the turn to its end: run at most once, all it spent is booked, nothing stays held."""
    async with bench(WORK, home=place, chat=chat) as gateway:
        turns = await gateway.until(ended)
        assert len(turns) == 1
        assert len(first.agent.prompts) + len(gateway.agent.prompts) <= 1
        assert turns[0].state in {TurnState.FINISHED, TurnState.INTERRUPTED}
        for kind in BOOKED:
            balance = await gateway.balance(kind)
            assert (balance.spent, balance.held) == (charged(first, gateway), ZERO)


async def test_a_gateway_cancelled_at_any_step_leaks_no_hold_and_loses_nothing_spent(tmp_path: Path) -> None:
    """Cancelled at each durable step of a turn in turn: the next gateway finds every call and frees every hold."""
    for nth in range(STEPS_SEEN_MAX):
        place, chat = tmp_path / str(nth), MemoryChat()
        first: list[Bench] = []
        with anyio.CancelScope() as scope:
            await one_turn(place, chat, first, lambda gateway, nth=nth, scope=scope: cancel_at(gateway, nth, scope))
        if not scope.cancelled_caught:
            assert nth > 20
            return
        await settled_by_the_next(place, chat, first[0])


async def one_turn(place: Path, chat: MemoryChat, gateways: list[Bench], prepare: Callable[[Bench], None]) -> None:
    """A gateway at work on one prompt until that is answered; it is put into the list first."""
    async with bench(WORK, home=place, chat=chat) as gateway:
        gateways.append(gateway)
        prepare(gateway)
        gateway.says("go")
        await gateway.sees("All done.")
        await gateway.ended(TurnState.FINISHED)


def cancel_at(gateway: Bench, nth: int, scope: anyio.CancelScope) -> None:
    """Cancel at the nth step from now on."""
    left = nth

    def step(name: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            scope.cancel()
        gateway.steps(name)

    gateway.world.on_step = step


def fail_at(gateway: Bench, nth: int) -> None:
    """Let the nth write from now on fail."""
    gateway.world.store = FailingStore(gateway.world.store, nth)  # type: ignore[assignment]


async def test_a_database_that_fails_at_any_write_ends_the_gateway_and_loses_nothing(tmp_path: Path) -> None:
    """The disk is full at each write of a turn in turn: the gateway ends with that sentence, the next one settles the turn."""
    for nth in range(STEPS_SEEN_MAX):
        place, chat, said = tmp_path / str(nth), MemoryChat(), ""
        first: list[Bench] = []
        try:
            await one_turn(place, chat, first, lambda gateway, nth=nth: fail_at(gateway, nth))
        except* StoreError as failed:
            said = str(failed.exceptions)
        if not said:
            assert nth > 5
            return
        assert "The disk is full" in said
        await settled_by_the_next(place, chat, first[0])


async def test_a_database_that_is_locked_for_a_while_holds_the_gateway_up_and_no_more(tmp_path: Path) -> None:
    """Another program holds the database for a while in mid-turn: the turn waits, then ends as if nothing had been."""
    goes_on = anyio.Event()
    async with bench(script(call(10), Wait(goes_on), call(10)), home=tmp_path) as gateway:
        gateway.says("go")
        await gateway.until(lambda turns: bool(turns) and turns[0].calls == 1)
        other = sqlite3.connect(tmp_path / "tollbridge.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        goes_on.set()
        await anyio.sleep(1)  # so long nobody else can write
        other.execute("ROLLBACK")
        other.close()
        await gateway.sees("All done.")
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.calls, turn.spent) == (2, charged(gateway))


async def test_a_clock_set_back_by_a_day_holds_nothing_up() -> None:
    """In mid-turn the clock loses a day: the turn is booked where it was held, its answer is sent, a pause still ends."""
    goes_on = anyio.Event()
    steps = (call(10), Wait(goes_on), UseTool("Bash", "ls"), call(120), UseTool("Bash", "ls"), call(10))
    async with bench(script(*steps), with_limits(session="1", pause_ms=300)) as gateway:
        gateway.says("go")
        await gateway.until(lambda turns: bool(turns) and turns[0].calls == 1)
        before = Clock().now_ms
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: before() - DAY_MS)
        goes_on.set()
        await gateway.sees("Paused:")
        await gateway.sees("The agent does not wait any more")
        turn = await gateway.ended(TurnState.PAUSED)
        balance = await gateway.balance()
        assert (turn.calls, balance.spent, balance.held) == (2, Usd.parse("1.30"), ZERO)
        gateway.says("/cost")
        await gateway.sees("Session: $1.30 of $1.00")


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-28T22:59:59Z", "2026-03-28"),
        ("2026-03-28T23:00:00Z", "2026-03-29"),
        ("2026-03-29T21:59:59Z", "2026-03-29"),
        ("2026-03-29T22:00:00Z", "2026-03-30"),
        ("2026-10-24T21:59:59Z", "2026-10-24"),
        ("2026-10-24T22:00:00Z", "2026-10-25"),
        ("2026-10-25T22:59:59Z", "2026-10-25"),
        ("2026-10-25T23:00:00Z", "2026-10-26"),
    ],
)
async def test_a_day_begins_and_ends_at_the_owners_midnight(moment: str, day: str) -> None:
    """Also on the two days of the year that have 23 and 25 hours."""
    at_ms = int(datetime.fromisoformat(moment).timestamp() * 1000)
    async with bench(WORK) as gateway:
        gateway.world.rules = replace(gateway.world.rules, timezone=ZoneInfo("Europe/Berlin"))
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: at_ms)
        assert gateway.today() == Scope(ScopeKind.DAY, day)


@pytest.mark.parametrize(
    ("zone", "moment", "week", "month"),
    [
        # Sunday's night of the shorter day, and the Monday after it.
        ("Europe/Berlin", "2026-03-29T21:59:59Z", "2026-W13", "2026-03"),
        ("Europe/Berlin", "2026-03-29T22:00:00Z", "2026-W14", "2026-03"),
        ("Europe/Berlin", "2026-10-25T22:59:59Z", "2026-W43", "2026-10"),
        ("Europe/Berlin", "2026-10-25T23:00:00Z", "2026-W44", "2026-10"),
        # A month that begins on the longer day, which is a Sunday.
        ("America/New_York", "2026-11-01T03:59:59Z", "2026-W44", "2026-10"),
        ("America/New_York", "2026-11-01T04:00:00Z", "2026-W44", "2026-11"),
        ("America/New_York", "2026-11-02T04:59:59Z", "2026-W44", "2026-11"),
        ("America/New_York", "2026-11-02T05:00:00Z", "2026-W45", "2026-11"),
    ],
)
async def test_weeks_and_months_end_at_the_owners_midnight_whatever_the_clocks_do(
    zone: str, moment: str, week: str, month: str
) -> None:
    """Line 39: an hour that is missing, or comes twice, at a window's edge."""
    at_ms = int(datetime.fromisoformat(moment).timestamp() * 1000)
    async with bench(WORK) as gateway:
        gateway.world.rules = replace(gateway.world.rules, timezone=ZoneInfo(zone))
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: at_ms)
        found = scopes.of_person(OWNER, THREAD, gateway.world.today())
        assert {Scope(ScopeKind.WEEK, week), Scope(ScopeKind.MONTH, month)} <= set(found)


async def test_a_clock_that_jumps_opens_no_window_that_was_used_up() -> None:
    """Line 39: a day is used up, the clock jumps to the next and back again: what was spent on each day counts there."""
    now = [1_800_000_000_000]
    play = script(call(60))
    limits = {ScopeKind.SESSION: Usd.parse("9"), ScopeKind.DAY: Usd.parse("1")}
    async with bench(play, replace(with_limits(), limits=limits)) as gateway:
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: now[0])
        first = gateway.today()
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        now[0] += 24 * 3_600_000
        gateway.says("two")
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        second, now[0] = gateway.today(), 1_800_000_000_000
        gateway.says("three")
        await gateway.sees("$0.40 left of the day's $1.00.")
        spent = [(await gateway.balance_of(scope)).spent for scope in (first, second)]
        assert spent == [Usd.parse("0.60")] * 2


def test_what_was_committed_survives_a_loss_of_power(tmp_path: Path) -> None:
    """The database writes ahead, and waits for the disk at every commit."""
    engine = sqlite.writer(home.prepare(lock.make_home(tmp_path / "home")))
    with engine.begin() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    engine.dispose()
    assert found == ["wal", 2]


async def test_forty_prompts_at_once_never_hold_more_than_the_day_has() -> None:
    """Forty sessions at once against a day of $5 and holds of $0.50: ten run, the others ask, and no moment shows more."""
    async with bench(script(call(1, lasts=anyio.Event())), with_limits(processes_max=50)) as gateway:
        gateway.world.rules = replace(gateway.world.rules, limits={ScopeKind.DAY: Usd.parse("5")})
        for number in range(40):
            gateway.chat.says(Thread("memory", str(number)), OWNER, "go")
        turns = await gateway.until(
            lambda turns: len(turns) == 40 and all(turn.state is not TurnState.QUEUED for turn in turns)
        )
        states = [turn.state for turn in turns]
        assert states.count(TurnState.ASKING) == 30
        assert (await gateway.balance_of(gateway.today())).held == Usd.parse("5")


class Away(MemoryChat):
    """A service that takes no message until the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.back = anyio.Event()

    async def deliver(self, post: Post) -> Receipt:
        """Wait, then show it."""
        await self.back.wait()
        return await super().deliver(post)


async def test_a_full_outbox_keeps_what_people_write_waiting_and_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack 66: nothing of it is lost, put aside, or answered twice: once messages are sent again each is answered."""
    monkeypatch.setattr("gateway.store.posts.MOST_WAITING", 2)
    monkeypatch.setattr("gateway.engine.TICK_S", 0.02)
    full, away = anyio.Event(), Away()
    monkeypatch.setattr("gateway.engine.log.error", lambda *_, **__: full.set())
    async with bench(script(call(1)), chat=away) as gateway:
        for _ in range(12):
            gateway.says("/go")
        with anyio.fail_after(10):
            await full.wait()
            await anyio.sleep(0.5)  # so long it looks again and again, and counts no attempt
        away.back.set()
        with anyio.fail_after(30):
            while len(away.sees(THREAD)) < 12 or await gateway.world.store.inbox(1):  # noqa: ASYNC110
                await anyio.sleep(0.05)
    assert len(away.sees(THREAD)) == 12


async def test_an_outbox_that_is_far_too_full_gives_up_nothing_that_people_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attack 66: there may be no room for long, and again and again: the message waits, and is never put aside for that."""
    monkeypatch.setattr("gateway.store.posts.MOST_WAITING", 2)
    monkeypatch.setattr("gateway.engine.ROOM", 0)
    away, tries, often = Away(), list[int](), anyio.Event()

    def refused(*_: object, **__: object) -> None:
        tries.append(1)
        if len(tries) > 2 * ATTEMPTS_MAX:
            often.set()

    monkeypatch.setattr("gateway.engine.log.error", refused)
    async with bench(script(call(1)), chat=away) as gateway:
        for _ in range(4):
            gateway.says("/go")
        with anyio.fail_after(30):
            await often.wait()
            away.back.set()
            while len(away.sees(THREAD)) < 4 or await gateway.world.store.inbox(1):  # noqa: ASYNC110
                await anyio.sleep(0.05)
