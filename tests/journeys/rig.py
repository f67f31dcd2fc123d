"""The real thing on a table: python-telegram-bot over real HTTP, the real Claude Code, SQLite; only the servers are stand-ins."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

import anyio

from gateway import host, lock
from gateway.agents.claude import ClaudeAgent
from gateway.agents.claude.desk import DeskAgent
from gateway.chats.telegram import TelegramChat
from gateway.domain.budget import Balance, Scope, ScopeKind
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role, Session, Thread
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Tokens
from gateway.engine import Desk, Engine, Rules, World, bounds
from gateway.engine.asked import Pace
from gateway.engine.decision import Draft
from gateway.local import door
from gateway.pricing import ListPrices
from gateway.store import open_readonly, open_store
from gateway.store.store import SqliteStore
from tests.engine.steps import Steps
from tests.fakes.bot_api import BotApi
from tests.fakes.bot_api_phone import Phone, Seen
from tests.fakes.claude_binary import find_claude
from tests.fakes.messages_api import Account, MessagesApi
from tests.fakes.messages_script import Counts

OWNER = 4711


@dataclass
class Rig:
    """A gateway at work between two stand-ins, and the phone that writes to it."""

    telegram: BotApi
    api: MessagesApi
    world: World
    store: SqliteStore
    phone: Phone
    steps: Steps
    home: Path
    environ: Mapping[str, str]
    """Of a client that talks to the stand-in, and whose hooks ask this gateway."""

    async def sees(self, words: str, timeout: float = 30) -> Seen:  # noqa: ASYNC109 - the stand-in's own limit
        return await self.phone.waits_for(words, timeout=timeout)

    async def taps(self, words: str, label: str) -> None:
        self.phone.taps(label, (await self.sees(words)).message_id)

    async def until_said(self, words: str, times: int, timeout: float = 30) -> None:  # noqa: ASYNC109 - see above
        """Wait until so many messages hold the words."""
        await self.telegram.until(
            lambda: sum(words in seen.text for seen in self.phone.sees()) == times, timeout, f"{times} times {words!r}"
        )

    async def sessions(self) -> list[Session]:
        """Every session, oldest first."""

        def look() -> list[Session]:
            with open_readonly(self.home) as reader:
                return list(reader.sessions())

        return await anyio.to_thread.run_sync(look)

    async def turns(self) -> list[Turn]:
        turns: list[Turn] = []
        for session in await self.sessions():
            turns += reversed(await self.store.read(lambda view, s=session: view.latest_turns(s.id, 100)))
        return turns

    async def until(self, holds: Callable[[list[Turn]], bool]) -> list[Turn]:
        return await self.steps.until(self.turns, holds)

    async def ended(self, state: TurnState) -> Turn:
        turns = await self.until(lambda turns: bool(turns) and turns[-1].state is state)
        return turns[-1]

    async def balance(self) -> Balance:
        [session] = await self.sessions()
        scope = Scope(ScopeKind.SESSION, session.id)
        return await self.store.read(lambda view: bounds.balance(self.world, view, Draft(), scope))

    async def charged(self, count: int, kind: str | None = None) -> None:
        """Wait until so many calls have reached the API."""
        await anyio.to_thread.run_sync(lambda: self.api.wait_for_calls(count, kind=kind))

    async def exact(self) -> None:
        """The ledger's tokens equal, class by class, what the API says that it charged."""
        tokens = Tokens()
        for turn in await self.turns():
            tokens += turn.tokens
        charged = self.api.total()
        assert as_counts(tokens) == charged, (self.api, [c.counts for c in self.api.charges])
        assert self.telegram.violations == []


class QuickChat(TelegramChat):
    """The real chat with less patience between two messages: the stand-in bans nobody, and `tests/chats` measure the real pace."""

    def gap_ms(self, thread: Thread, *, edit: bool) -> int:  # noqa: ARG002 - the port's signature
        """As good as none."""
        return 50


def owners(*phones: Phone) -> tuple[Grant, ...]:
    """These people own the gateway."""
    return tuple(Grant(str(phone.user_id), Role.OWNER) for phone in phones)


def as_counts(tokens: Tokens) -> Counts:
    """The ledger's classes in the stand-in's words."""
    assert tokens.cache_write_unsplit == 0
    return Counts(tokens.input, tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h, tokens.output)


def rules(
    directory: Path, session: str = "50", day: str = "500", confirm: str = "20", step: str = "0.50", **more
) -> Rules:
    """Generous rules, so that only the test's own limit speaks."""
    base = Rules(
        agent="claude",
        directory=str(directory),
        roots=(str(directory),),
        limits={ScopeKind.SESSION: Usd.parse(session), ScopeKind.DAY: Usd.parse(day)},
        confirm_above=Usd.parse(confirm),
        step=Usd.parse(step),
        timezone=UTC,
        people=(Grant(str(OWNER), Role.OWNER),),
        desks=(Desk("/", str(OWNER), str(OWNER)),),
    )
    return replace(base, **more)


@asynccontextmanager
async def rig(
    tmp_path: Path,
    api: MessagesApi | None = None,
    telegram: BotApi | None = None,
    phone: Phone | None = None,
    account: Account = "key",
    kind: type[TelegramChat] = QuickChat,
    **limits,
) -> AsyncGenerator[Rig]:
    """A running gateway between the stand-ins; pass stand-ins that live longer to start a second gateway on them. `kind`: the chat,
    for a test of its pace.
    """
    directory = tmp_path / "work"
    directory.mkdir(exist_ok=True)
    own_api, own_telegram = api is None, telegram is None
    api = (api or MessagesApi()).start() if own_api else api
    telegram = telegram or BotApi()
    if own_telegram:
        telegram.__enter__()
    assert api is not None
    try:
        environ = api.claude_env(tmp_path / "claude", account=account)
        home = lock.make_home(tmp_path / "home")
        chat = kind(telegram.token, telegram.base_url, poll_s=1)
        agent = ClaudeAgent(home, str(find_claude()), environ)
        async with open_store(home) as store, chat, agent, AsyncExitStack() as stack:
            steps = Steps()
            desk = await stack.enter_async_context(DeskAgent(home))
            listener = await stack.enter_async_context(door.opened(home))
            agents = {"claude": agent, "channel": desk}
            world = World(store, chat, agents, ListPrices(), rules(directory, **limits), on_step=steps)
            engine = Engine(world)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(engine.run)
                with anyio.fail_after(40):
                    await engine.ready.wait()
                desk.attach = engine.attach
                tasks.start_soon(door.serve, listener, host.routes(world, desk, Pace()))
                tasks.start_soon(host.collect, engine, home)
                phone = phone or telegram.user(OWNER, "Ada")
                asks = environ | {"TOLLBRIDGE_HOME": str(home)}
                yield Rig(telegram, api, world, store, phone, steps, home, asks)
                tasks.cancel_scope.cancel()
    finally:
        if own_telegram:
            telegram.__exit__(None, None, None)
        if own_api:
            api.stop()
