"""A whole gateway on a table: real engine, real store in memory, a phone in memory and a scripted agent."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

import anyio

from gateway import lock
from gateway.agents.scripted import CallApi, Play, Say, Script, ScriptedAgent
from gateway.chats.memory import MemoryChat, Shown
from gateway.core import scopes
from gateway.domain.budget import Balance, Scope, ScopeKind
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role, Session, Thread
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Tokens
from gateway.engine import Engine, Rules, World, bounds
from gateway.engine.decision import Draft
from gateway.ports import Agent
from gateway.pricing import ListPrices
from gateway.store import open_store
from tests.engine.steps import Steps

THREAD = Thread("memory", "1")
OTHER = Thread("memory", "2")
SESSIONS_MAX = 1_000
DAY_MS = 86_400_000
LAST_MOMENTS_MS = 30_000
OWNER = "7"
MODEL = "claude-opus-4-8"

RULES = Rules(
    agent="scripted",
    directory="/",
    roots=("/",),
    limits={ScopeKind.SESSION: Usd.parse("5"), ScopeKind.DAY: Usd.parse("25")},
    confirm_above=Usd.parse("1"),
    step=Usd.parse("0.50"),
    timezone=UTC,
    people=(Grant(OWNER, Role.OWNER),),
)


def put_forward(world: World, ms: int) -> None:
    """Its clock on the wall shows so much more from now on: what waits for that need not be waited for."""
    now_ms = world.clock.now_ms
    world.clock = replace(world.clock, now_ms=lambda: now_ms() + ms)


def from_one_day(world: World) -> None:
    """In the last moments of a day its clock shows the next one already: no test sees a day end that did not ask for it.

    Two gateways of one test are put forward by the same: the second is not earlier than the first.
    """
    if DAY_MS - world.clock.now_ms() % DAY_MS <= LAST_MOMENTS_MS:
        put_forward(world, LAST_MOMENTS_MS)


def call(cents: int, **more: object) -> CallApi:
    """A call that costs so many cents at opus prices ($25 per million output tokens: 400 tokens a cent)."""
    return CallApi(Tokens(output=400 * cents), **more)  # type: ignore[arg-type]


@dataclass
class Bench:
    """One gateway at work, and the phone that writes to it."""

    world: World
    chat: MemoryChat
    agent: ScriptedAgent
    steps: Steps
    engine: Engine

    def says(self, text: str, thread: Thread = THREAD) -> None:
        self.chat.says(thread, OWNER, text)

    async def sees(self, words: str, thread: Thread = THREAD) -> Shown:
        return await self.chat.waits_for(thread, words)

    async def taps(self, words: str, label: str) -> None:
        self.chat.taps(await self.sees(words), label, OWNER)

    async def begins_anew(self, directory: str = "") -> None:
        """Another session in the thread: what the person writes from now on goes to it."""
        self.says(f"/new {directory}".rstrip())
        await self.sees("New session")

    async def sessions(self) -> list[Session]:
        """Every session, oldest first."""
        return list(reversed(await self.world.store.read(lambda view: view.sessions_named("", SESSIONS_MAX))))

    async def turns(self) -> list[Turn]:
        sessions = await self.sessions()
        turns: list[Turn] = []
        for session in sessions:
            turns += reversed(await self.world.store.read(lambda view, s=session: view.latest_turns(s.id, 100)))
        return turns

    async def turn(self) -> Turn:
        [turn] = await self.turns()
        return turn

    async def until(self, holds: Callable[[list[Turn]], bool]) -> list[Turn]:
        """Wait until the turns are as they should be; looks again whenever the engine has committed something."""
        return await self.steps.until(self.turns, holds)

    async def ended(self, state: TurnState) -> Turn:
        turns = await self.until(lambda turns: bool(turns) and turns[-1].state is state)
        return turns[-1]

    async def balance(self, kind: ScopeKind = ScopeKind.SESSION) -> Balance:
        [session] = await self.sessions()
        counted = {scope.kind: scope for scope in scopes.of_turn(session, OWNER, self.world.today())}
        return await self.world.store.read(lambda view: bounds.balance(self.world, view, Draft(), counted[kind]))

    async def balance_of(self, scope: Scope) -> Balance:
        return await self.world.store.read(lambda view: bounds.balance(self.world, view, Draft(), scope))

    def puts_clock_forward(self, ms: int) -> None:
        """It is so much later from now on, for this gateway."""
        put_forward(self.world, ms)

    def today(self) -> Scope:
        """The scope of the day."""
        return scopes.of_person(OWNER, THREAD, self.world.today())[0]


@asynccontextmanager
async def bench(
    play: Script | Play,
    rules: Rules = RULES,
    home: Path | None = None,
    agents: Mapping[str, Agent] | None = None,
    chat: MemoryChat | None = None,
    prepare: Callable[[World], None] | None = None,
) -> AsyncGenerator[Bench]:
    """A running gateway; it stops at the end of the block. `prepare` changes its world before it starts."""
    agent = ScriptedAgent(play, directory=home / "scripted" if home else None)
    chat = chat or MemoryChat()
    async with open_store(None if home is None else lock.make_home(home)) as store:
        steps = Steps()
        world = World(store, chat, agents or {"scripted": agent}, ListPrices(), rules, on_step=steps)
        from_one_day(world)
        if prepare is not None:
            prepare(world)
        engine = Engine(world)
        async with agent, anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run)
            with anyio.fail_after(30):
                await engine.ready.wait()
            yield Bench(world, chat, agent, steps, engine)
            tasks.cancel_scope.cancel()


def with_limits(session: str = "5", confirm: str = "1", step: str = "0.50", **more: object) -> Rules:
    """The usual rules with other amounts."""
    return replace(
        RULES,
        limits={**RULES.limits, ScopeKind.SESSION: Usd.parse(session)},
        confirm_above=Usd.parse(confirm),
        step=Usd.parse(step),
        **more,  # type: ignore[arg-type]
    )


def script(*steps: object) -> Script:
    """A script of these steps that ends with a word."""
    return Script((*steps, Say("All done.")))  # type: ignore[arg-type]


def session_scope(turn: Turn) -> Scope:
    """The scope of the turn's session."""
    return Scope(ScopeKind.SESSION, turn.session_id)
