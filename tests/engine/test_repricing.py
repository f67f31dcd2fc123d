"""What was booked without a price is priced once a list price is known, at the prices of the call's own day."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gateway import lock
from gateway.agents.scripted import UseTool
from gateway.chats.memory import MemoryChat
from gateway.core import meter
from gateway.domain.budget import EntryKind, Scope, ScopeKind
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Session
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.domain.usage import Call, Rates, Tokens, Unpriced, Usage
from gateway.engine import World, repricing
from gateway.engine.repricing import Repriced, Unknown, foresee, reprice, reprice_all
from gateway.ports import Decision, Record, StoreError
from gateway.store import SqliteStore, open_readonly, open_store
from tests.engine.bench import RULES, THREAD, bench, script
from tests.engine.bench import call as opus_call

pytestmark = pytest.mark.anyio

DAY_MS = 86_400_000
NOON = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp() * 1000)
SESSION = Session("s_1", "scripted", "/src", THREAD, "7", 0)
DAY = Scope(ScopeKind.DAY, "2026-01-31")
USAGE = Usage("new-1", Tokens(input=100, output=10))
NEW_1 = Unknown("new-1", "no list price is known for new-1", 1)


@dataclass
class Published:
    """List prices with a name and a first day each; $1 a token."""

    since: dict[str, date]
    source: str = "a list, read 2026-02-01"

    def rates(self, model: str, on: date, service_tier: str, speed: str, geo: str = "") -> Rates | Unpriced:
        """The rates from their first day on, twice as high from February on."""
        del service_tier, speed, geo
        if model not in self.since or on < self.since[model]:
            return Unpriced(f"no list price is known for {model}")
        rate = 1_000_000 * 10**9 * (1 if on < date(2026, 2, 1) else 2)
        return Rates(rate, rate, rate, rate, rate)


NOTHING = Published({})
LATER = Published({"new-1": date(2026, 1, 1)})


def turn(name: str, **known: object) -> Turn:
    """A finished turn that counts against its session and its day."""
    scopes = (Scope(ScopeKind.SESSION, "s_1"), DAY)
    made = Turn(name, "s_1", Origin.PERSON, TurnState.FINISHED, "7", "Fix it", f"uuid-{name}", 0, scopes=scopes)
    return replace(made, **known)  # type: ignore[arg-type]


async def booked(store: SqliteStore, turn: Turn, *usages: Usage, at_ms: int = NOON) -> Turn:
    """The turn with a call of unknown price for each usage, in the store."""
    entries = []
    for number, usage in enumerate(usages):
        turn, entry = meter.book(turn, Call(f"{turn.id}-{number}", usage, Unpriced("nobody knows")))
        entries.append(entry)
    await store.transact(lambda _view: Decision(None, put=(SESSION, turn), entries=tuple(entries)), at_ms)
    return turn


@asynccontextmanager
async def kept(home: Path) -> AsyncGenerator[SqliteStore]:
    """A store on disk."""
    async with open_store(lock.make_home(home)) as store:
        yield store


def records(home: Path) -> list[Record]:
    """The whole ledger, after checking that it holds."""
    with open_readonly(home) as reader:
        assert reader.verify() == ()
        return list(reader.records())


async def test_a_later_price_makes_the_cost_of_the_turn_right_and_leaves_the_old_entry(tmp_path: Path) -> None:
    """Turn, session and day cost what the call cost; the call's own entry is what it was, and a second run changes nothing."""
    async with kept(tmp_path / "home") as store:
        await booked(store, turn("t_1"), USAGE)
        assert await reprice_all(store, NOTHING, NOON) == Repriced(unknown=(NEW_1,))
    before = records(tmp_path / "home")
    async with kept(tmp_path / "home") as store:
        assert await reprice_all(store, LATER, NOON + DAY_MS) == Repriced(1, 1, Usd.parse("110"))
        after = await store.read(lambda view: view.turn("t_1"))
        assert after is not None
        assert (after.spent, after.unpriced_calls, after.calls, after.held_left) == (Usd.parse("110"), 0, 1, ZERO)
        balances = [await store.read(lambda view, of=of: view.balance(of)) for of in after.scopes]
        assert [balance.spent for balance in balances] == [Usd.parse("110")] * 2
        assert await reprice_all(store, LATER, NOON + DAY_MS) == Repriced()
    assert records(tmp_path / "home")[:-1] == before
    last = records(tmp_path / "home")[-1]
    assert (last.entry.kind, last.entry.spent, last.at_ms) == (EntryKind.REPRICED, Usd.parse("110"), NOON + DAY_MS)
    told = json.loads(last.entry.detail)
    assert (told["entry"], told["priced_on"], told["source"]) == (before[-1].seq, "2026-01-31", LATER.source)


async def test_each_call_is_priced_at_the_prices_of_its_own_day() -> None:
    """Not at today's: of two alike calls the later one is dearer, and one before the first price stays without."""
    async with open_store(None) as store:
        await booked(store, turn("t_0"), USAGE, at_ms=NOON - 60 * DAY_MS)
        await booked(store, turn("t_1"), USAGE)
        await booked(store, turn("t_2"), USAGE, at_ms=NOON + DAY_MS)
        found = await reprice_all(store, LATER, NOON + 90 * DAY_MS)
        assert (found.calls, found.turns, found.amount) == (2, 2, Usd.parse("330"))
        assert found.unknown == (NEW_1,)
        costs = [await store.read(lambda view, name=name: view.turn(name)) for name in ("t_0", "t_1", "t_2")]
        assert [one.spent if one else None for one in costs] == [ZERO, Usd.parse("110"), Usd.parse("220")]


async def test_what_still_has_no_price_is_counted_and_named() -> None:
    """By model, those with the most calls first; the calls beside them are priced, differences too."""
    async with open_store(None) as store:
        odd = replace(USAGE, model="odd-1")
        one = await booked(store, turn("t_1"), odd, USAGE, replace(USAGE, model="rare-1"), odd)
        one, difference = meter.book_difference(one, USAGE, Unpriced("nobody knows"))
        await store.transact(lambda _view: Decision(None, put=(one,), entries=(difference,)), NOON)
        found = await reprice_all(store, LATER, NOON)
        assert (found.calls, found.turns, found.amount, found.open_calls) == (2, 1, Usd.parse("220"), 0)
        assert [(unknown.model, unknown.calls) for unknown in found.unknown] == [("odd-1", 2), ("rare-1", 1)]
        after = await store.read(lambda view: view.turn("t_1"))
        assert after is not None
        assert (after.unpriced_calls, after.spent) == (3, Usd.parse("220"))


@pytest.mark.parametrize("state", [TurnState.RUNNING, TurnState.PAUSED, TurnState.HELD])
async def test_a_turn_that_is_not_over_is_left_alone(state: TurnState) -> None:
    """Its hold is still counted with: it is said, and priced when it is over."""
    async with open_store(None) as store:
        before = await booked(store, turn("t_1", state=state, hold=Usd(5), held_left=Usd(5)), USAGE, USAGE)
        assert await reprice_all(store, LATER, NOON) == Repriced(open_calls=2)
        assert await store.read(lambda view: view.turn("t_1")) == before


async def test_many_calls_are_priced_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """However a turn lies across batches, each call is priced once, and the sums are the turns'."""
    monkeypatch.setattr(repricing, "BATCH", 3)
    async with open_store(None) as store:
        for name, calls in (("t_1", 2), ("t_2", 7), ("t_3", 3)):
            await booked(store, turn(name), *[USAGE] * calls)
        assert await reprice_all(store, LATER, NOON) == Repriced(12, 3, Usd.parse("1320"))
        after = await store.read(lambda view: view.turn("t_2"))
        assert after is not None
        assert (after.spent, after.unpriced_calls) == (Usd.parse("770"), 0)
        assert (await store.read(lambda view: view.balance(DAY))).spent == Usd.parse("1320")


async def test_what_would_be_priced_can_be_said_without_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same figures, and a ledger that is what it was, also beside a gateway that has it open."""
    monkeypatch.setattr(repricing, "BATCH", 2)
    async with kept(tmp_path / "home") as store:
        await booked(store, turn("t_1"), USAGE, USAGE, replace(USAGE, model="odd-1"))
        before = records(tmp_path / "home")
        with open_readonly(tmp_path / "home") as reader:
            said = foresee(reader.read, LATER)
        assert records(tmp_path / "home") == before
        assert said == await reprice_all(store, LATER, NOON)
        assert (said.calls, said.turns, said.amount) == (2, 1, Usd.parse("220"))


async def test_a_gateway_prices_at_its_start_what_it_can() -> None:
    """With its own prices and clock; what its database refuses keeps it from nothing."""
    async with open_store(None) as store:
        await booked(store, turn("t_1"), USAGE)
        world = World(store, MemoryChat(), {}, LATER, RULES)
        assert await reprice(world) == Repriced(1, 1, Usd.parse("110"))
        assert await reprice(world) == Repriced()
    with pytest.raises(StoreError):
        await reprice_all(store, LATER, NOON)
    assert await reprice(world) == Repriced()


async def test_a_run_on_a_model_that_nobody_knew_costs_what_it_cost_once_its_price_is_known() -> None:
    """From the chat to the account: left alone while it waits, and priced, beside what was priced at once, when it is over."""
    play = script(opus_call(30), opus_call(5, model="new-1"), UseTool("Bash", "ls"), opus_call(2))
    async with bench(play) as gateway:
        gateway.says("Fix it")
        asked = await gateway.sees("price of this model is not known")
        before = await gateway.turn()
        assert await reprice(replace(gateway.world, prices=LATER)) == Repriced(open_calls=1)
        assert await gateway.turn() == before
        gateway.chat.taps(asked, asked.buttons[0].label, "7")
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.calls, turn.unpriced_calls, turn.spent) == (3, 1, Usd.parse("0.32"))
        later = replace(gateway.world, prices=LATER)
        found = await reprice(later)
        after = await gateway.turn()
        assert (found.calls, found.turns) == (1, 1)
        assert (after.unpriced_calls, after.spent) == (0, Usd.parse("0.32") + found.amount)
        assert (await gateway.balance()).spent == (await gateway.balance(ScopeKind.DAY)).spent == after.spent
        assert (await gateway.balance()).held == ZERO
        assert await reprice(later) == Repriced()
