"""1,000 turns at once in one gateway: tasks that are cancelled at random, in a process that is killed at random.

A killed worker is a task that is cancelled wherever it stands; what it leaves is settled with what was booked, as the gateway does
when an agent is gone. A turn for which there is no room waits until another one has settled. After a kill -9 the process is started
again on the same file and does what a gateway does at its start: a turn that was held and never handed over goes on with its hold,
and one that ran is settled with what was booked.

Every turn is a first one of its person, so that its hold is the setting's, two cents, and bounds what it costs.
"""

import multiprocessing
import random
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

from benchmarks import turns
from benchmarks.bank_gateway import Work
from benchmarks.bank_team import CENT, turns_of
from gateway import lock
from gateway.core.turn import ENDED
from gateway.domain.budget import Balance, EntryKind, Scope, ScopeKind
from gateway.domain.events import End, Finished
from gateway.domain.money import NANO_PER_USD, ZERO, Usd
from gateway.domain.place import Session
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Tokens, Usage
from gateway.engine import Rules, World, ending
from gateway.ports import Decision, View
from gateway.store import SqliteStore, open_readonly, open_store

LIMIT = Usd(10 * NANO_PER_USD)
SHARE_KILLED = 20
"""One in so many workers."""
SCOPE = Scope(ScopeKind.DAY, turns.TODAY.isoformat())
COMMITS_A_WORKER = 3
"""At the least, on average: so many moments of a run there are to be killed at."""
OUTPUT_TOKEN_NANO = 25_000
"""What an output token of `turns.MODEL` costs."""
LONGEST_RUN_S = 240.0
POLL_S = 0.002
RULES = Rules(
    agent="scripted",
    directory="/srv/project",
    roots=("/srv",),
    limits={},
    confirm_above=Usd(NANO_PER_USD),
    step=Usd(2 * CENT),
    timezone=UTC,
)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the run; amounts in nano-dollars. `highest` is the most that was ever spent and held together."""

    turns: int
    limit: int
    spent: int
    highest: int
    booked: int
    held: int
    holds: int
    settled_once: int
    workers_killed: int
    processes_killed: int
    open_turns: int
    flaws: tuple[str, ...]
    seconds: float

    @property
    def overspend(self) -> int:
        return max(0, self.spent - self.limit)

    @property
    def granted(self) -> float:
        """Which part of the limit became turns."""
        return self.spent / self.limit


def run(home: Path, *, number: int = 1000, limit: Usd = LIMIT, kills: int = 0, seed: int = 1) -> Result:
    """All turns at once on an empty store. The process is killed at most `kills` times."""
    dice = random.Random(seed)  # noqa: S311 - a run is repeatable
    works = turns_of(number, dice)
    lock.make_home(home)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.workers"])
    # Without a lock: a process that is killed would keep it.
    workers_killed, commits = context.Value("i", 0, lock=False), context.Value("i", 0, lock=False)
    began = time.monotonic()
    killed = 0
    while True:
        process = context.Process(target=main, args=(home, works, limit, seed + killed, commits, workers_killed))
        process.start()
        try:
            if killed < kills:
                moment = commits.value + dice.randint(1, number * COMMITS_A_WORKER // (kills + 1))
                while process.is_alive() and commits.value < moment and time.monotonic() < began + LONGEST_RUN_S:
                    process.join(POLL_S)
                process.kill()
            process.join(LONGEST_RUN_S)
        finally:
            process.kill()
            process.join()
        if process.exitcode != -signal.SIGKILL:
            break
        killed += 1
    if process.exitcode:
        raise RuntimeError(f"the gateway ended with {process.exitcode}")
    return result(home, limit, (number, workers_killed.value, killed), time.monotonic() - began)


def main(home: Path, works: Sequence[Work], limit: Usd, seed: int, commits: Any, killed: Any) -> None:
    """The process of a gateway. `commits` counts what it committed, `killed` the workers that were killed; both are shared."""
    with turns.quiet():
        anyio.run(_gateway, home, works, limit, random.Random(seed), commits, killed)  # noqa: S311 - see run


async def _gateway(
    home: Path, works: Sequence[Work], limit: Usd, dice: random.Random, commits: Any, killed: Any
) -> None:
    rules = replace(RULES, limits={ScopeKind.DAY: limit})
    async with open_store(home, lambda: turns.NOW_MS) as store:
        team = Workers(store, rules, dice, commits, killed)
        left = await team.recover(works)
        async with anyio.create_task_group() as group:
            group.start_soon(team.kill, len(left))
            async with anyio.create_task_group() as workers:
                for number, work in enumerate(left):
                    workers.start_soon(team.work, work, 0.002 + (number % 7) * 0.004)
            group.cancel_scope.cancel()


class Workers:
    """The tasks of one gateway. A turn for which there is no room stands in line for what another one frees."""

    def __init__(self, store: SqliteStore, rules: Rules, dice: random.Random, commits: Any, killed: Any) -> None:
        self._world = turns.world_over(store, rules)
        self._world.on_step = self._on_step
        self._dice = dice
        self._killed = killed
        self._at_work: dict[str, anyio.CancelScope] = {}
        """Who holds money, or is before the gate."""
        self._line: deque[anyio.Event] = deque()
        self._frees = 0
        self._held: set[str] = set()
        """Whose hold another process took."""
        self._over = False
        self._all_commits = commits
        self._commits = 0
        self._committed = anyio.Event()

    async def recover(self, works: Sequence[Work]) -> list[Work]:
        """Settle what ran when a process was killed, with what was booked; the turns that go on with their hold, then the new ones."""
        places = tuple(_session(work) for work in works)
        await self._world.commit(lambda view: Decision(None, put=() if view.session(places[0].id) else places))
        found = await self._world.store.read(lambda view: [view.turn(_turn_id(work)) for work in works])
        for turn in found:
            if turn is not None and turn.state is TurnState.RUNNING:
                await self._world.commit(_gone(self._world, turn.id))
        pairs = list(zip(works, found, strict=True))
        self._held = {work.id for work, turn in pairs if turn is not None and turn.state is TurnState.HELD}
        new = [work for work, turn in pairs if turn is None]
        return [work for work in works if work.id in self._held] + new

    async def work(self, work: Work, call_s: float) -> None:
        """One worker: its turn, and whatever has to be done if it is killed in the middle."""
        with anyio.CancelScope() as scope:
            await self._turn(work, call_s, scope)
        if scope.cancelled_caught:
            turn = await self._world.store.read(lambda view: view.turn(_turn_id(work)))
            if turn is not None and turn.state not in ENDED:
                await self._world.commit(_gone(self._world, turn.id))
            self._leave(work)

    async def kill(self, workers: int) -> None:
        """Cancel one worker in twenty, each at a random moment of the run, among those at work then."""
        moments = sorted(self._dice.sample(range(workers * COMMITS_A_WORKER + 1), workers // SHARE_KILLED))
        for moment in moments:
            while self._commits < moment or not self._at_work:
                self._committed = anyio.Event()
                await self._committed.wait()
            self._at_work[self._dice.choice(sorted(self._at_work))].cancel()
            self._killed.value += 1
            await anyio.lowlevel.checkpoint()

    async def _turn(self, work: Work, call_s: float, scope: anyio.CancelScope) -> None:
        new = turns.turn(_session(work), 0)
        if not await self._hold(work, new, scope):
            return
        await self._world.commit(turns.hand_over(self._world, new.id))
        used = [Usage(turns.MODEL, Tokens(output=cost // OUTPUT_TOKEN_NANO)) for cost in work.calls]
        for number, usage in enumerate(used):
            await anyio.sleep(call_s)
            await self._world.commit(turns.call(self._world, new.id, usage, number))
        await self._world.commit(turns.settle(self._world, new, used))
        self._leave(work)

    async def _hold(self, work: Work, new: Turn, scope: anyio.CancelScope) -> bool:
        if work.id in self._held:
            self._at_work[work.id] = scope
            return True
        while not self._over:
            frees = self._frees
            self._at_work[work.id] = scope
            if (await self._world.commit(_if_there_is_room(self._world, new))).result:
                return True
            del self._at_work[work.id]
            if not self._at_work:
                self._over = True  # nobody holds anything, and what is left is too little
                self._wake(len(self._line))
            elif frees == self._frees:
                await self._stand_in_line()
        return False

    async def _stand_in_line(self) -> None:
        mine = anyio.Event()
        self._line.append(mine)
        await mine.wait()

    def _leave(self, work: Work) -> None:
        self._at_work.pop(work.id, None)
        self._frees += 1
        self._wake(1 if self._at_work else len(self._line))

    def _wake(self, number: int) -> None:
        for _ in range(min(number, len(self._line))):
            self._line.popleft().set()

    def _on_step(self, _name: str) -> None:
        self._commits += 1
        self._all_commits.value += 1
        self._committed.set()


def _session(work: Work) -> Session:
    """A session of which nothing is known yet, and a person without a past."""
    return replace(turns.session(work.id, work.id), model=None, context_tokens=0)


def _turn_id(work: Work) -> str:
    return turns.turn(_session(work), 0).id


def _if_there_is_room(world: World, new: Turn) -> Callable[[View], Decision[Any]]:
    """The turn before the gate. Where that would ask a person, nothing is written: nobody is there, and the turn waits."""
    start = turns.hold(world, new)

    def decide(view: View) -> Decision[Any]:
        found = start(view)
        if found.result.state is TurnState.HELD:
            return replace(found, result=True)
        return Decision(result=False)

    return decide


def _gone(world: World, turn_id: str) -> Callable[[View], Decision[None]]:
    """The turn's worker is gone: what it booked is settled, the rest of its hold is free."""
    return ending.finish(world, turn_id, Finished(End.INTERRUPTED, "Its worker was killed.", None, None), ())


def result(home: Path, limit: Usd, told: tuple[int, int, int], seconds: float) -> Result:
    """What the file says of the run; `told`: how many turns, killed workers and killed processes there were."""
    held: set[str | None] = set()
    settled: Counter[str | None] = Counter()
    balance, highest, booked = Balance(SCOPE, limit), ZERO, ZERO
    with open_readonly(home) as reader:
        for record in reader.records():
            entry = record.entry
            balance = balance.after(entry)
            highest = max(highest, balance.spent + balance.held)
            if entry.kind is EntryKind.HOLD:
                held.add(entry.turn_id)
            elif entry.kind is EntryKind.CALL:
                booked += entry.spent
            elif entry.kind in (EntryKind.SETTLED, EntryKind.VOIDED):
                settled[entry.turn_id] += 1
        kept = reader.read(lambda view: view.balance(SCOPE))
        return Result(
            turns=told[0],
            workers_killed=told[1],
            processes_killed=told[2],
            limit=limit.nano,
            spent=kept.spent.nano,
            highest=highest.nano,
            booked=booked.nano,
            held=kept.held.nano,
            holds=len(held),
            settled_once=sum(settled[turn] == 1 for turn in held),
            open_turns=len(reader.read(lambda view: view.all_open_turns())),
            flaws=tuple(flaw.what for flaw in reader.verify()),
            seconds=seconds,
        )


async def looks_then_adds(works: Sequence[Work], limit: Usd) -> int:
    """What must not be built: each turn looks whether there is room, runs, and adds what it cost. What they spend together."""
    spent = 0

    async def turn(work: Work, call_s: float) -> None:
        nonlocal spent
        if spent + work.hold > limit.nano:
            return
        for _ in work.calls:
            await anyio.sleep(call_s)
        spent += sum(work.calls)

    async with anyio.create_task_group() as group:
        for number, work in enumerate(works):
            group.start_soon(turn, work, 0.002 + (number % 7) * 0.004)
    return spent
