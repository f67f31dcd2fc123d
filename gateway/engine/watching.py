"""The figures that go out of the house, read from the store when somebody asks: nothing in a turn's path knows of it, or waits for it.

Counters begin at the ledger's head when the gateway starts. Each time what was written since is folded, a bounded part at a time, and
each entry and each turn's end once.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import anyio

from gateway.core import metrics, scopes, telemetry
from gateway.core.telemetry import About, Increment, Models, Named, Point, Totals
from gateway.core.turn import ENDED
from gateway.domain.budget import PERIODS, Scope
from gateway.domain.place import Session
from gateway.domain.turn import Turn
from gateway.engine import bounds
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Heads, View

ENTRIES_AT_ONCE: Final = 1_000
TURNS_AT_ONCE: Final = 200
PARTS_MAX: Final = 100
"""Of what was written so many parts are read for one look; the rest comes with the next, and `metrics.LAG` tells of it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A turn that has ended, the session that it was of, and the model that it ran on."""

    turn: Turn
    session: Session | None
    model: Named


@dataclass(frozen=True, slots=True)
class _Part:
    """What was read at once."""

    increments: tuple[Increment, ...]
    ended: tuple[Ended, ...]
    open: frozenset[str]
    heads: Heads
    behind: int
    """Entries and turns that were written by then and not read yet."""


def nobody(_ended: Ended) -> None:
    """No spans are made of turns."""


class Watch:
    """The figures of one gateway. `find`: what a model is called in the price list. `ended` hears of each turn that ends."""

    def __init__(self, world: World, find: Callable[[str], Named | None]) -> None:
        self.ended: Callable[[Ended], None] = nobody
        self.totals = Totals()
        self.began_ms = world.clock.now_ms()
        self._world = world
        self._models = Models(find)
        self._heads: Heads | None = None
        self._open: frozenset[str] = frozenset()
        self._behind = 0
        self._lock = anyio.Lock()

    @property
    def models(self) -> Mapping[str, Named]:
        """The models that the figures name, by their names."""
        return self._models.seen

    async def begin(self) -> None:
        """Count from here on: before the engine runs, so that what it recovers is counted. Raises StoreError.

        Figures that the last entries and turns before were of are told from the start, as nothing.
        """

        def look(view: View) -> tuple[Heads, frozenset[str], tuple[Increment, ...]]:
            heads = view.heads()
            known: dict[str, tuple[Turn, Session | None]] = {}
            lately: list[Increment] = []
            for record in view.records(max(0, heads.entry - ENTRIES_AT_ONCE), ENTRIES_AT_ONCE):
                lately += telemetry.of_entry(record.entry, _about(view, known, record.entry.turn_id), self._models)
            for _, turn in view.turns_after(max(0, heads.turn - TURNS_AT_ONCE), TURNS_AT_ONCE):
                if turn.state in ENDED:
                    lately += telemetry.of_ended(turn, _agent(view.session(turn.session_id)))
            return heads, frozenset(turn.id for turn in view.all_open_turns()), tuple(lately)

        self._heads, self._open, lately = await self._world.store.read(look)
        self.totals.know(lately)

    async def points(self) -> tuple[Point, ...]:
        """Every figure as it stands now. One look at a time. Raises StoreError, and what was read by then is not read again."""
        async with self._lock:
            await self._catch_up()
            stands = await self._world.store.read(self._stands)
            return (*self.totals.points(), *stands, *self._reach())

    async def _catch_up(self) -> None:
        if self._heads is None:
            await self.begin()
        for _ in range(PARTS_MAX):
            part = await self._world.store.read(self._read)
            self.totals.add(part.increments)
            self._heads, self._open, self._behind = part.heads, part.open, part.behind
            for one in part.ended:
                self.ended(one)
            if not part.behind:
                break

    def _read(self, view: View) -> _Part:
        """The next part of what was written: all of it as of one moment."""
        since = self._heads or Heads(0, 0)
        known: dict[str, tuple[Turn, Session | None]] = {}
        increments: list[Increment] = []
        records = view.records(since.entry, ENTRIES_AT_ONCE)
        for record in records:
            increments += telemetry.of_entry(record.entry, _about(view, known, record.entry.turn_id), self._models)
        fresh = view.turns_after(since.turn, TURNS_AT_ONCE)
        turns = [turn for turn_id in sorted(self._open) if (turn := view.turn(turn_id)) is not None]
        turns += [turn for _, turn in fresh]
        ended = tuple(self._ended(view, turn) for turn in turns if turn.state in ENDED)
        for one in ended:
            increments += telemetry.of_ended(one.turn, _agent(one.session))
        heads = Heads(records[-1].seq if records else since.entry, fresh[-1][0] if fresh else since.turn)
        newest = view.heads()
        return _Part(
            tuple(increments),
            ended,
            frozenset(turn.id for turn in turns if turn.state not in ENDED),
            heads,
            behind=max(0, newest.entry - heads.entry) + max(0, newest.turn - heads.turn),
        )

    def _ended(self, view: View, turn: Turn) -> Ended:
        return Ended(turn, view.session(turn.session_id), self._models.named(turn.model))

    def _stands(self, view: View) -> tuple[Point, ...]:
        world, standing, traffic = self._world, view.standing(), view.traffic()
        today = world.today()
        periods = (Scope(kind, scopes.period(kind, today)) for kind in PERIODS)
        shared = world.team.scopes(view, today) if world.team else ()
        return (
            *telemetry.of_balances(bounds.shown(world, view, Draft(), (*periods, *shared))),
            *telemetry.of_open(view.all_open_turns()),
            Point(metrics.UNPRICED_NOW, (), standing.unpriced),
            Point(metrics.INBOX, (), standing.updates),
            Point(metrics.OUTBOX, (), traffic.waiting),
            Point(metrics.UNSURE, (), traffic.uncertain),
            Point(metrics.PROCESSES, (), standing.processes),
            Point(metrics.FROZEN, (), int(view.frozen)),
        )

    def _reach(self) -> Iterator[Point]:
        """What is in no store: whether the others are there."""
        reach, team = self._world.reach, self._world.team
        if reach.since_ms is not None:
            yield Point(metrics.CHAT_UP, (), int(not reach.away))
        if team is not None:
            yield Point(metrics.BANK_UP, (), int(not team.away))
        yield Point(metrics.STARTED, (), self.began_ms)
        yield Point(metrics.LAG, (), self._behind)
        yield Point(metrics.FULL, (), int(self.totals.full))


def _about(view: View, known: dict[str, tuple[Turn, Session | None]], turn_id: str | None) -> About:
    """Whose an entry is; what was looked up once is so for all of a part."""
    if turn_id is None:
        return About()
    if turn_id not in known:
        turn = view.turn(turn_id)
        if turn is None:
            return About()
        known[turn_id] = turn, view.session(turn.session_id)
    turn, session = known[turn_id]
    return About(_agent(session), turn.origin.value)


def _agent(session: Session | None) -> str:
    return telemetry.NOBODY if session is None else session.agent
