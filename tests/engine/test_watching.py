"""Figures are a fold: whatever is booked, in whatever order it is looked at, they are what the ledger says."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import lock
from gateway.chats.memory import MemoryChat
from gateway.core import meter, metrics
from gateway.core.metrics import Metric
from gateway.core.telemetry import Named, Point
from gateway.core.turn import ENDED
from gateway.domain.budget import Entry, EntryKind, ScopeKind
from gateway.domain.money import Usd
from gateway.domain.place import Session
from gateway.domain.turn import Origin, Outcome, OutcomeKind, Turn, TurnState
from gateway.domain.usage import Call, Tokens, Unpriced, Usage
from gateway.engine import World, watching
from gateway.engine.watching import Ended, Watch
from gateway.ports import Decision, StoreError
from gateway.pricing import ListPrices
from gateway.store import open_store
from tests.core.make import UNHURRIED, session, turn
from tests.engine.bench import MODEL, OWNER, RULES, THREAD, bench, call, script

pytestmark = pytest.mark.anyio

KNOWN = {MODEL: Named("anthropic", MODEL), "gpt-6": Named("openai", "gpt-6")}


@asynccontextmanager
async def watched() -> AsyncGenerator[tuple[World, Watch]]:
    """A world whose engine does not run, and its figures."""
    async with open_store(None) as store:
        world = World(store, MemoryChat(), {}, ListPrices(), RULES)
        yield world, Watch(world, KNOWN.get)


def summed(points: Sequence[Point], metric: Metric, *, by: int | None = None) -> dict[str, int]:
    """The figure, by one of its labels."""
    sums: dict[str, int] = defaultdict(int)
    for point in points:
        if point.metric is metric:
            sums["" if by is None else point.labels[by]] += point.amount
    return dict(sums)


def only(points: Sequence[Point], metric: Metric, *labels: str) -> int:
    """The one figure with these labels."""
    [found] = [point.amount for point in points if point.metric is metric and point.labels == labels]
    return found


@dataclass(frozen=True)
class Move:
    """Something that happens to one of four turns, and whether somebody looks after it."""

    turn: int
    kind: str
    nano: int
    tokens: Tokens
    model: str
    looks: bool


COUNTS = st.integers(0, 1000)
MOVES = st.lists(
    st.builds(
        Move,
        st.integers(0, 3),
        st.sampled_from(("call", "call", "difference", "reprice", "let_go", "end", "limit")),
        st.integers(0, 10**12),
        st.builds(Tokens, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.just(0)),
        st.sampled_from((*KNOWN, "nobody-knows-1", "nobody-knows-2", "")),
        st.booleans(),
    ),
    max_size=40,
)


class Books:
    """Books moves, as the engine does."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sessions = [session(id=f"s_{place}", agent=("claude", "scripted")[place % 2]) for place in range(4)]
        self.turns: dict[int, Turn] = {}
        self.calls = 0

    async def does(self, move: Move) -> None:
        """Write it down."""
        known = self.turns.get(move.turn)
        if known is None or known.state in ENDED:
            origin = tuple(Origin)[move.turn % 3]
            own = {"id": f"t_{len(self.turns)}_{self.calls}", "session_id": self.sessions[move.turn].id}
            known = turn(**own, origin=origin, held_left=Usd(5))
        self.calls += 1
        after, entry = self.booked(known, move)
        self.turns[move.turn] = after
        decision = Decision(None, put=(self.sessions[move.turn], after), entries=(entry,))
        await self.world.store.transact(lambda _view: decision, 0)

    def booked(self, known: Turn, move: Move) -> tuple[Turn, Entry]:
        """The turn after it, and the entry."""
        usage = Usage(move.model, move.tokens)
        price = Unpriced("nobody knows") if move.nano % 5 == 0 else Usd(move.nano)
        match move.kind:
            case "call":
                loop = "main" if move.nano % 2 else "explorer"
                return meter.book(known, Call(f"c_{self.calls}", usage, price, loop), work_ms=move.nano % 1000)
            case "difference":
                return meter.book_difference(known, usage, price)
            case "reprice":
                entry = Entry(EntryKind.REPRICED, known.scopes, known.id, known.session_id, spent=Usd(move.nano))
                return known, replace(entry, detail='{"model": "gpt-6", "tokens": {"input": 7}}')
            case "let_go":
                let_go, entry = meter.settle(known)
                return replace(let_go, state=TurnState.PAUSED), entry
            case "limit":
                return known, Entry(EntryKind.LIMIT, known.scopes, limit=Usd(move.nano + 1))
            case _:
                outcome = Outcome(OutcomeKind.ANSWER) if move.nano % 2 else None
                settled, entry = meter.settle(known, move.nano % 100)
                return replace(settled, state=TurnState.FINISHED, outcome=outcome, ended_at_ms=1), entry


@given(MOVES, st.integers(1, 5))
@settings(UNHURRIED, max_examples=40)
def test_after_any_bookings_the_counters_are_the_ledgers_sums(moves: list[Move], at_once: int) -> None:
    """However often somebody looked meanwhile, and in parts of any size: nothing is lost, and nothing counted twice."""

    async def play() -> None:
        async with watched() as (world, watch):
            watching.ENTRIES_AT_ONCE, usual = at_once, watching.ENTRIES_AT_ONCE  # type: ignore[misc]
            ended: list[Ended] = []
            watch.ended = ended.append
            await watch.begin()
            books = Books(world)
            for move in moves:
                await books.does(move)
                if move.looks:
                    await watch.points()
            points = await watch.points()
            watching.ENTRIES_AT_ONCE = usual  # type: ignore[misc]
            entries = [one.entry for one in await world.store.read(lambda view: view.records(0, 10_000))]
            over = [
                one for _, one in await world.store.read(lambda view: view.turns_after(0, 1_000)) if one.state in ENDED
            ]
        assert sum(summed(points, metrics.COST).values()) == sum(one.spent.nano for one in entries)
        assert sum(summed(points, metrics.TOKENS).values()) == sum(one.counts.tokens for one in entries)
        assert sum(summed(points, metrics.CALLS).values()) == sum(one.counts.calls for one in entries)
        assert sum(summed(points, metrics.WORK).values()) == sum(one.counts.work_ms for one in entries)
        assert sum(summed(points, metrics.ENTRIES).values()) == len(entries)
        assert sum(summed(points, metrics.TURNS).values()) == len(over)
        assert sorted(one.turn.id for one in ended) == sorted(one.id for one in over)
        assert sum(summed(points, metrics.TURN_COST).values()) == sum(one.spent.nano for one in over)
        assert set(summed(points, metrics.COST, by=1)) <= {*KNOWN, "other"}
        agents: dict[str, int] = defaultdict(int)
        for one in entries:
            if one.spent.nano:
                agents[("claude", "scripted")[int((one.session_id or "s_0")[2:]) % 2]] += one.spent.nano
        assert {name: spent for name, spent in summed(points, metrics.COST, by=0).items() if spent} == agents

    anyio.run(play)


async def test_what_was_booked_before_the_gateway_started_is_not_counted() -> None:
    """Counters begin at the ledger's head, those that were lately of use at nothing; a turn that was open is counted when it ends."""
    async with watched() as (world, watch):
        books = Books(world)
        await books.does(Move(0, "call", 7, Tokens(5), MODEL, looks=False))
        await watch.begin()
        assert only(await watch.points(), metrics.COST, "claude", MODEL, "person") == 0
        await books.does(Move(0, "call", 11, Tokens(5), MODEL, looks=False))
        await books.does(Move(0, "end", 1, Tokens(), MODEL, looks=False))
        points = await watch.points()
    assert only(points, metrics.COST, "claude", MODEL, "person") == 11
    assert only(points, metrics.TURNS, "claude", "person", "finished", "answer") == 1
    assert only(points, metrics.TURN_COST, "claude", "person", "answer") == 18


async def test_after_a_restart_counters_begin_anew_and_what_was_open_goes_on(tmp_path: Path) -> None:
    """As counters do: nothing of the time before is counted again, and no turn is told of twice."""
    home = lock.make_home(tmp_path / "home")
    found: list[tuple[int, list[str]]] = []
    moves = [Move(0, "call", 7, Tokens(5), MODEL, looks=True), Move(0, "end", 1, Tokens(), MODEL, looks=True)]
    books: Books | None = None
    for start in ([*moves, moves[0]], [moves[1]], []):
        async with open_store(home) as store:
            world = World(store, MemoryChat(), {}, ListPrices(), RULES)
            watch, ended = Watch(world, KNOWN.get), list[str]()
            watch.ended = lambda one, ended=ended: ended.append(one.turn.id)
            await watch.begin()
            books = books or Books(world)
            books.world = world
            for move in start:
                await books.does(move)
            found.append((sum(summed(await watch.points(), metrics.COST).values()), ended))
    (first, [one]), (second, [other]), (third, none) = found
    assert (first, second, third, none) == (14, 0, 0, [])
    assert one != other


async def test_what_is_too_much_for_one_look_comes_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bounded part is read at once, and how much is behind is told."""
    monkeypatch.setattr(watching, "ENTRIES_AT_ONCE", 2)
    monkeypatch.setattr(watching, "PARTS_MAX", 1)
    async with watched() as (world, watch):
        await watch.begin()
        books = Books(world)
        for _ in range(3):
            await books.does(Move(0, "call", 1, Tokens(), MODEL, looks=False))
        first, second = await watch.points(), await watch.points()
    assert (only(first, metrics.LAG), only(second, metrics.LAG)) == (1, 0)
    assert summed(first, metrics.COST) == {"": 2}
    assert summed(second, metrics.COST) == {"": 3}
    assert only(second, metrics.FULL) == 0


async def test_a_ledger_that_cannot_be_read_is_said_and_nothing_is_counted_twice_afterwards() -> None:
    """What was read before stays, and what could not be read is read again."""
    async with watched() as (world, watch):
        await watch.begin()
        await Books(world).does(Move(0, "call", 1, Tokens(), MODEL, looks=False))
        read = world.store.read

        async def refuses(_look: object) -> None:
            raise StoreError("locked")

        world.store.read = refuses  # type: ignore[method-assign, assignment]
        with pytest.raises(StoreError):
            await watch.points()
        world.store.read = read  # type: ignore[method-assign]
        assert summed(await watch.points(), metrics.COST) == {"": 1}


async def test_a_turn_in_the_chat_shows_in_the_figures_as_it_stands_in_the_ledger() -> None:
    """Cost, tokens, the day's limit, and what came of it; nobody but the price list names the model."""
    async with bench(script(call(3), call(4))) as gateway:
        watch = Watch(gateway.world, KNOWN.get)
        await watch.begin()
        gateway.says("fix it")
        turn = await gateway.ended(TurnState.FINISHED)
        points = await watch.points()
        day = await gateway.balance(ScopeKind.DAY)
    assert only(points, metrics.COST, "scripted", MODEL, "person") == turn.spent.nano == Usd.parse("0.07").nano
    assert only(points, metrics.TOKENS, "scripted", MODEL, "output") == turn.tokens.output == 2800
    assert only(points, metrics.CALLS, "scripted", MODEL, "main") == 2
    assert only(points, metrics.LIMIT, "day") == RULES.limits[ScopeKind.DAY].nano
    assert only(points, metrics.SPENT, "day") == day.spent.nano == turn.spent.nano
    assert only(points, metrics.HOLDS_USD) == only(points, metrics.HELD, "day") == 0
    assert only(points, metrics.TURNS, "scripted", "person", "finished", "answer") == 1
    assert not [point for point in points if point.metric is metrics.LIMIT and point.labels == ("week",)]


async def test_no_label_names_a_person_a_chat_a_session_or_a_turn() -> None:
    """Labels have few values, and none that leads to anybody."""
    async with bench(script(call(3))) as gateway:
        watch = Watch(gateway.world, KNOWN.get)
        await watch.begin()
        gateway.says("fix it")
        turn = await gateway.ended(TurnState.FINISHED)
        found: Session = (await gateway.sessions())[0]
        points = await watch.points()
    named = {label for point in points for label in point.labels}
    assert not named & {turn.id, found.id, OWNER, THREAD.chat, found.directory, found.agent_session}
