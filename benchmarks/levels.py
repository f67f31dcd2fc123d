"""The same turns at three levels: the whole gateway, the store with decisions that are already made, and bare SQL.

Gateway: each transaction decides (forecast, gate, meter, words) and writes. Store: it looks at the same things and writes the same
decision, made before. Bare: the statements that the store sent, by the bare driver, in one thread, one commit a transaction. All
three begin with a copy of the same database and end with the same rows.
"""

import shutil
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio

from benchmarks import turns
from benchmarks.replay import Recorder, Transaction, recording, replay
from gateway import priors
from gateway.domain.place import Session
from gateway.engine import World
from gateway.ports import Decision, Store, View
from gateway.store import SqliteStore, open_store, sqlite
from gateway.store import home as homes

T = TypeVar("T")

KINDS = ("hold", "hand over", "call", "settle")
WARM = "warm"
"""What is not measured: the first turns, while statements are compiled and pages read."""
WARM_TURNS = 5
"""Of the warm session; after them one of every other."""
Commit = Callable[[str, Callable[[World], Callable[[View], Decision[Any]]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Work:
    """Which turns run: `each` of every session, all sessions at once; before them some, mostly of `warm`, that do not count."""

    sessions: tuple[Session, ...]
    warm: Session
    each: int

    @property
    def turns(self) -> int:
        return self.each * len(self.sessions)


@dataclass(slots=True)
class Run:
    """Seconds of each transaction by kind (as its caller waits for it), of everything, and of the processor meanwhile."""

    times: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    commits: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0

    def add(self, other: "Run") -> None:
        """Another round."""
        for kind, times in other.times.items():
            self.times[kind] += times
        self.commits += other.commits
        self.seconds += other.seconds
        self.cpu += other.cpu


@dataclass(frozen=True, slots=True)
class Noted:
    """What a decision looked at, and what it was."""

    looks: tuple[tuple[str, tuple[Any, ...], dict[str, Any]] | str, ...]
    decision: Decision[Any]

    def again(self, view: View) -> Decision[Any]:
        """Look at the same, and decide the same."""
        for look in self.looks:
            if isinstance(look, str):
                getattr(view, look)
            else:
                name, positional, named = look
                getattr(view, name)(*positional, **named)
        return self.decision


class _NotingView:
    def __init__(self, view: View) -> None:
        self._view = view
        self.looks: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._view, name)
        if not callable(value):
            self.looks.append(name)
            return value

        def noted(*positional: Any, **named: Any) -> Any:
            self.looks.append((name, positional, named))
            return value(*positional, **named)

        return noted


class _NotingStore:
    """A store that notes what is decided in it."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.noted: list[Noted] = []

    async def transact(self, decide: Callable[[View], Decision[T]], now_ms: int) -> Decision[T]:
        def with_notes(view: View) -> Decision[T]:
            noting = _NotingView(view)
            decision = decide(cast("View", noting))
            self.noted.append(Noted(tuple(noting.looks), decision))
            return decision

        return await self._store.transact(with_notes, now_ms)


@dataclass(frozen=True, slots=True)
class Script:
    """What one run of the work decided and sent; `noted` by session, in the order of its transactions."""

    noted: dict[str, list[Noted]]
    transactions: tuple[Transaction, ...]


def note(home: Path, work: Work) -> Script:
    """Run the work, a turn at a time, and write down everything."""
    with recording() as recorder:
        noted = anyio.run(_note, home, work, recorder)
    kept = (WARM, *KINDS)
    return Script(noted, tuple(sent for sent in recorder.transactions if sent.kind in kept))


async def _note(home: Path, work: Work, recorder: Recorder) -> dict[str, list[Noted]]:
    noted: dict[str, list[Noted]] = {}
    async with open_store(home, lambda: turns.NOW_MS) as store:
        noting = _NotingStore(store)
        world = turns.world_over(cast("Store", noting), prior=priors.load())
        for place, number in _in_turn(work):
            for kind, decide in steps(world, place, number):
                recorder.kind = WARM if place is work.warm or not number else kind
                await world.commit(decide)
                noted.setdefault(place.id, []).append(noting.noted.pop())
        recorder.kind = ""
    return noted


def _in_turn(work: Work) -> Iterator[tuple[Session, int]]:
    yield from _warming(work)
    for number in range(1, work.each + 1):
        for place in work.sessions:
            yield place, number


def _warming(work: Work) -> Iterator[tuple[Session, int]]:
    for number in range(WARM_TURNS):
        yield work.warm, number
    for place in work.sessions:
        yield place, 0


def steps(world: World, place: Session, number: int) -> Iterable[tuple[str, Callable[[View], Decision[Any]]]]:
    """The transactions of a turn, each decided when its time has come."""
    new = turns.turn(place, number)
    yield KINDS[0], turns.hold(world, new)
    yield KINDS[1], turns.hand_over(world, new.id)
    yield KINDS[2], turns.call(world, new.id)
    yield KINDS[3], turns.settle(world, new)


def run_gateway(home: Path, work: Work) -> Run:
    """The whole gateway."""

    def start(store: SqliteStore) -> Callable[[Session, int], Iterator[tuple[str, Awaitable[Any]]]]:
        world = turns.world_over(store, prior=priors.load())

        def turn(place: Session, number: int) -> Iterator[tuple[str, Awaitable[Any]]]:
            return ((kind, world.commit(decide)) for kind, decide in steps(world, place, number))

        return turn

    return anyio.run(_run, home, work, start)


def run_store(home: Path, work: Work, script: Script) -> Run:
    """The store alone."""

    def start(store: SqliteStore) -> Callable[[Session, int], Iterator[tuple[str, Awaitable[Any]]]]:
        def turn(place: Session, number: int) -> Iterator[tuple[str, Awaitable[Any]]]:
            its = script.noted[place.id][number * len(KINDS) : (number + 1) * len(KINDS)]
            return ((kind, store.transact(noted.again, turns.NOW_MS)) for kind, noted in zip(KINDS, its, strict=True))

        return turn

    return anyio.run(_run, home, work, start)


async def _run(
    home: Path,
    work: Work,
    start: Callable[[SqliteStore], Callable[[Session, int], Iterator[tuple[str, Awaitable[Any]]]]],
) -> Run:
    found = Run()
    async with open_store(home, lambda: turns.NOW_MS) as opened:
        turn = start(opened)

        async def one(place: Session, number: int, times: defaultdict[str, list[float]]) -> None:
            for kind, committed in turn(place, number):
                began = time.perf_counter()
                await committed
                times[kind].append(time.perf_counter() - began)

        async def all_of(place: Session) -> None:
            for number in range(1, work.each + 1):
                await one(place, number, found.times)

        for place, number in _warming(work):
            await one(place, number, defaultdict(list))
        with clocked(found):
            async with anyio.create_task_group() as group:
                for place in work.sessions:
                    group.start_soon(all_of, place)
    return found


def run_empty(home: Path, number: int) -> float:
    """Seconds of a transaction that looks at nothing and writes nothing: the way to the worker thread and back, BEGIN, COMMIT."""

    async def empty() -> float:
        async with open_store(home, lambda: turns.NOW_MS) as opened:
            began = time.perf_counter()
            for _ in range(number):
                await opened.transact(lambda _view: Decision(None), turns.NOW_MS)
            return (time.perf_counter() - began) / number

    return anyio.run(empty)


def run_bare(home: Path, script: Script) -> Run:
    """The statements alone."""
    found = Run()
    engine = sqlite.writer(homes.prepare(home))
    warm = [sent for sent in script.transactions if sent.kind == WARM]
    replay(engine, warm)
    with clocked(found):
        replayed = replay(engine, script.transactions[len(warm) :])
    found.times, found.commits = replayed.times, replayed.commits
    return found


@contextmanager
def clocked(run: Run) -> Iterator[None]:
    """Add the time that the block takes, on the wall and of the processor."""
    began, cpu = time.perf_counter(), time.process_time()
    yield
    run.seconds += time.perf_counter() - began
    run.cpu += time.process_time() - cpu


def copy(home: Path, to: Path) -> Path:
    """A copy of a closed home's database in a new home."""
    to.mkdir(mode=0o700)
    shutil.copy(home / homes.DATABASE, to / homes.DATABASE)
    return to
