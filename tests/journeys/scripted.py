"""The real engine, TelegramChat over real HTTP and the stand-in, with a scripted agent instead of a client that has to be installed."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

import anyio

from gateway import lock
from gateway.agents.scripted import CallApi, Play, Say, Script, ScriptedAgent
from gateway.chats.telegram import TelegramChat
from gateway.domain.budget import ScopeKind
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role, Thread
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Tokens
from gateway.engine import Engine, Rules, World
from gateway.pricing import ListPrices
from gateway.store import open_store
from gateway.store.store import SqliteStore
from tests.engine.steps import Steps
from tests.fakes.bot_api import BotApi, Phone

ANSWER = Script((CallApi(Tokens(input=10, cache_read=2_000, output=40)), Say("Done so far.")))
"""One call of a fraction of a cent, and a word."""
TURNS_MAX = 1_000


class PacedChat(TelegramChat):
    """The real chat with another patience between two messages (milliseconds): the stand-in bans nobody."""

    pace_ms = 0
    service_gap_ms = 0

    def gap_ms(self, thread: Thread, *, edit: bool) -> int:  # noqa: ARG002 - the port's signature
        """The same for all."""
        return self.pace_ms


@dataclass
class Scripted:
    """A gateway at work, and its scripted agent."""

    world: World
    store: SqliteStore
    agent: ScriptedAgent
    steps: Steps

    async def turns(self) -> list[Turn]:
        """Every turn of every session, oldest first."""
        sessions = await self.store.read(lambda view: view.sessions_named("", TURNS_MAX))
        found: list[Turn] = []
        for session in reversed(sessions):
            found += reversed(await self.store.read(lambda view, s=session: view.latest_turns(s.id, TURNS_MAX)))
        return found

    async def until(self, holds: Callable[[list[Turn]], bool], within_s: float = 60) -> list[Turn]:
        """Wait until the turns are as they should be."""
        return await self.steps.until(self.turns, holds, within_s)

    async def ended(self, count: int, state: TurnState = TurnState.FINISHED, within_s: float = 60) -> list[Turn]:
        """Wait until so many turns have ended so."""
        return await self.until(lambda turns: [turn.state for turn in turns].count(state) == count, within_s)


def rules(directory: Path, *people: Phone, **more: object) -> Rules:
    """Generous rules: only the test's own limit speaks."""
    base = Rules(
        agent="scripted",
        directory=str(directory),
        roots=(str(directory),),
        limits={ScopeKind.SESSION: Usd.parse("50"), ScopeKind.DAY: Usd.parse("500")},
        confirm_above=Usd.parse("20"),
        step=Usd.parse("0.50"),
        timezone=UTC,
        people=tuple(Grant(str(phone.user_id), Role.OWNER) for phone in people),
    )
    return replace(base, **more)  # type: ignore[arg-type]


@asynccontextmanager
async def scripted(
    home: Path,
    telegram: BotApi,
    rules: Rules,
    play: Script | Play = ANSWER,
    *,
    chat: TelegramChat | None = None,
    pace: float = 0.0,
) -> AsyncGenerator[Scripted]:
    """A running gateway on the stand-in; it stops at the end of the block. `pace` stretches the script's seconds."""
    chat = chat or PacedChat(telegram.token, telegram.base_url, poll_s=1)
    agent = ScriptedAgent(play, directory=home / "scripted", pace=pace)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(lock.make_home(home)))
        await stack.enter_async_context(chat)
        await stack.enter_async_context(agent)
        steps = Steps()
        world = World(store, chat, {"scripted": agent}, ListPrices(), rules, on_step=steps)
        engine = Engine(world)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run)
            with anyio.fail_after(40):
                await engine.ready.wait()
            yield Scripted(world, store, agent, steps)
            tasks.cancel_scope.cancel()
