"""How far the real client goes past a limit: one measured run, for the tests and for the table in docs/limits.md.

The figures are the Messages stand-in's own: which calls it answered, when, in which loop, and what they cost at list price.
"""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import anyio
from anyio.abc import TaskStatus

from gateway.core.price import price
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Rates, Tokens, Usage
from gateway.pricing import ListPrices
from tests.fakes.messages_api import MessagesApi
from tests.fakes.messages_charges import Charge
from tests.fakes.messages_request import Request
from tests.fakes.messages_script import Hold, Reply, Step, Text, Tool
from tests.journeys.rig import Rig, as_counts, rig

MAIN = "main"
QUIET_S = 1.0
"""How long nothing may happen at the limit. The promise is about time that passes."""
SETTLE_S = 0.4
"""A loop that is in a call when the limit is met ends it within this time here: calls last 0.3 s at most."""
SUB_CALLS = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of turn: the sub-agents that its first call starts, and how many each foreground one starts in its own first call."""

    name: str
    main_calls: int
    foreground: int = 0
    background: int = 0
    nested: int = 0

    @property
    def loops(self) -> int:
        return 1 + self.background + self.foreground * (1 + self.nested)

    @property
    def sub_calls(self) -> int:
        parents = self.foreground if self.nested else 0
        return 2 * parents + SUB_CALLS * (self.loops - 1 - parents)


ALONE = Shape("one loop", 6)
FLEET = Shape("one foreground and three background sub-agents", 2, foreground=1, background=3)
NESTED = Shape("a sub-agent that starts three of its own", 2, foreground=1, nested=3)
SHAPES = (ALONE, FLEET, NESTED)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. `late`: calls by loop that ended when the limit was met or after it, the one that met it among them."""

    shape: Shape
    seed: int
    limit: Usd
    before: int
    """Calls that ended while the limit was not met."""
    late: tuple[int, ...]
    over: Usd
    """What was spent beyond the limit when everything stood still."""
    in_the_pause: int
    """Calls that reached the API while the turn stood paused."""
    after: int
    """Calls after the raise."""

    @property
    def most_in_a_loop(self) -> int:
        return max(self.late)

    def row(self) -> str:
        """As a line of the table in docs/limits.md."""
        cells = (
            self.shape.name,
            str(self.seed),
            f"${self.limit.exact()}",
            str(self.before),
            str(len(self.late)),
            str(sum(self.late)),
            str(self.most_in_a_loop),
            str(self.over),
            str(self.in_the_pause),
            str(self.after),
        )
        return f"| {' | '.join(cells)} |"


HEADER = (
    "| turn | seed | limit | calls before it was met | loops with late calls | late calls | most in one loop "
    "| spent beyond | calls in the pause | calls after the raise |\n|---|---|---|---|---|---|---|---|---|---|"
)


def cost(call: Charge, rates: Rates) -> Usd:
    """What a call cost at list price, by what the stand-in charged."""
    counts = call.counts
    tokens = Tokens(
        input=counts.input,
        cache_read=counts.cache_read,
        cache_write_5m=counts.cache_write_5m,
        cache_write_1h=counts.cache_write_1h,
        output=counts.output,
    )
    return price(Usage(call.model, tokens), rates)


def late_calls(calls: Sequence[Charge], limit: Usd) -> tuple[int, Counter[str], Usd]:
    """How many calls ended before the limit was met; the others by loop; and what they spent in all."""
    rates = ListPrices().rates(calls[0].model, datetime.now(UTC).date(), "standard", "standard")
    assert isinstance(rates, Rates)
    spent, before, late = ZERO, 0, Counter[str]()
    for call in sorted(calls, key=lambda call: call.ended_at or 0.0):
        spent += cost(call, rates)
        if spent < limit:
            before += 1
        else:
            late[call.agent_id or MAIN] += 1
    return before, late, spent


def play(api: MessagesApi, shape: Shape, seed: int, prompt: str) -> None:
    """Script the turn. Each call lasts between 0.02 and 0.3 s, so that the loops meet in another order with every seed."""
    random = Random(seed)  # noqa: S311 - an order of events, not a secret
    asked: Counter[str | None] = Counter()
    ls = Tool("Bash", {"command": "ls"})
    agents: tuple[Step, ...] = (
        *(_agent(f"back {n}", background=True) for n in range(shape.background)),
        *(_agent(f"fore {n}", background=False) for n in range(shape.foreground)),
    )

    def main(request: Request) -> Reply | None:
        if prompt not in request.prompt:
            return None
        asked[None] += 1
        if asked[None] == 1 and agents:
            return _lasting(random, *agents)
        return _lasting(random, ls if asked[None] < shape.main_calls else Text("All calls made."))

    def sub(request: Request) -> Reply:
        asked[request.agent_id] += 1
        if shape.nested and "fore" in request.prompt:
            children = [_agent(f"child {n}", background=False) for n in range(shape.nested)]
            return _lasting(random, *(children if asked[request.agent_id] == 1 else [Text("all looked")]))
        return _lasting(random, ls if asked[request.agent_id] < SUB_CALLS else Text("nothing here"))

    api.script(main)
    api.script(sub, kind="sub")


def _agent(name: str, *, background: bool) -> Tool:
    kind = {"subagent_type": "general-purpose", "run_in_background": background}
    return Tool("Agent", {"description": name, "prompt": f"Look around: {name}", **kind})


def _lasting(random: Random, *steps: Step) -> tuple[Step, ...]:
    hold = Hold()
    threading.Timer(random.uniform(0.02, 0.3), hold.release).start()
    return (hold, *steps)


async def measure(
    tmp_path: Path,
    shape: Shape,
    seed: int,
    limit: Usd,
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> Measured:
    """Run the turn into its limit, look, raise, and let it end. The ledger is compared with what was charged."""
    half = Usd(limit.nano // 2)
    api = MessagesApi(seed)
    play(api, shape, seed, "go")
    with api:
        async with rig(tmp_path, api, session=limit.exact(), step=half.exact()) as gateway:
            task_status.started()
            gateway.phone.says("go")
            await gateway.sees("Paused:")
            await anyio.sleep(SETTLE_S)
            stood = len(api.charges)
            await anyio.sleep(QUIET_S)
            moved = len(api.charges) - stood
            before, late, spent = late_calls(api.calls(), limit)
            await raise_it(gateway)
            await gateway.sees("All calls made.")
            made_all = shape.sub_calls  # a turn can be over for a moment between two reports of its agents
            turns = await gateway.until(lambda turns: settled(turns, api) and len(api.calls("sub")) >= made_all)
            assert {turn.state for turn in turns} == {TurnState.FINISHED}, turns
            assert len(api.calls("sub")) == shape.sub_calls, api
            assert gateway.telegram.violations == []
            made = len(api.charges) - stood - moved
    return Measured(shape, seed, limit, before, tuple(late.values()), spent - limit, moved, made)


def settled(turns: Sequence[Turn], api: MessagesApi) -> bool:
    """Every turn has ended, and the ledger equals what was charged. (Reports of background agents may still come, as turns.)"""
    booked = sum((turn.tokens for turn in turns), Tokens())
    return all(turn.ended_at_ms is not None for turn in turns) and as_counts(booked) == api.total()


async def measure_all(place: Path, runs: Sequence[tuple[Shape, int, str]]) -> list[Measured]:
    """Measure side by side: most of a run is waiting. (A run is a shape, a seed and a limit in dollars.)"""
    found: dict[int, Measured] = {}

    async def one(number: int, *, task_status: TaskStatus[None]) -> None:
        shape, seed, limit = runs[number]
        home = place / str(number)
        await anyio.Path(home).mkdir()
        found[number] = await measure(home, shape, seed, Usd.parse(limit), task_status=task_status)

    async with anyio.create_task_group() as tasks:
        for number in range(len(runs)):
            # One after the other until they run: migrations are no work for several threads of one process.
            await tasks.start(one, number)
    return [found[number] for number in range(len(runs))]


async def raise_it(gateway: Rig) -> None:
    """Tap the raise on the question at the limit."""
    asked = await gateway.sees("Paused:")
    label = next(button.text for button in asked.buttons if button.text.startswith("Raise"))
    gateway.phone.taps(label, asked.message_id)
