"""The bots that the benchmark of the chat compares, each in a process of its own: the gateway, and a bare echo bot."""

import cProfile
import io
import logging
import pstats
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio
import structlog
from anyio import to_thread

from benchmarks.chat_server import FIRST
from gateway import lock
from gateway.agents.scripted import CallApi, Say, Script, ScriptedAgent, UseTool
from gateway.chats.telegram import TelegramChat
from gateway.domain.budget import ScopeKind
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role, Thread
from gateway.domain.usage import Tokens
from gateway.engine import Engine, Rules, World
from gateway.pricing import ListPrices
from gateway.store import open_store
from gateway.store.commits import Commits, Reads

Times = dict[str, float]
"""When each text reached the agent, or the echo bot's handler: seconds of the machine's monotonic clock."""
USAGE = Tokens(input=10, cache_read=2_000, output=40)
PROFILED = 45
POLL_S = 2
STEP_S = 1.0
"""For so long each tool of a turn that streams is at work."""


class Unpaced(TelegramChat):
    """The real chat, without its patience between two messages to a chat, or to all of them."""

    service_gap_ms = 0

    def gap_ms(self, thread: Thread, *, edit: bool) -> int:  # noqa: ARG002 - the port's signature
        """None: the stand-in bans nobody."""
        return 0


def rules(directory: Path, chats: int) -> Rules:
    """Everybody is an owner, and no limit is in the way."""
    large = Usd.parse("1000000")
    return Rules(
        agent="scripted",
        directory=str(directory),
        roots=(str(directory),),
        limits={ScopeKind.SESSION: large, ScopeKind.DAY: large},
        confirm_above=large,
        step=Usd.parse("0.50"),
        timezone=UTC,
        people=tuple(Grant(str(FIRST + number), Role.OWNER) for number in range(chats)),
        processes_max=chats,
    )


def gateway(pipe: Connection, token: str, url: str, chats: int, *, steps: int, profile: bool = False) -> None:
    """The gateway with a scripted agent, until something comes over the pipe; it answers with `Times` and its profile.

    `steps`: so many tools a turn, with the real pace; without any, an answer at once and no pace.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    times: Times = {}

    def play(text: str, _context: int) -> Script:
        times[text] = time.monotonic()
        tools = [UseTool("Read", f"src/part{number}.py", lasts=STEP_S) for number in range(steps)]
        return Script((CallApi(USAGE), *tools, Say(f"echo {text} ")))

    async def work() -> None:
        with tempfile.TemporaryDirectory() as directory:
            home = lock.make_home(Path(directory) / "home")
            chat = (TelegramChat if steps else Unpaced)(token, url, poll_s=POLL_S)
            agent = ScriptedAgent(play, directory=home / "scripted", pace=1.0)
            async with AsyncExitStack() as stack:
                store = await stack.enter_async_context(open_store(home))
                await stack.enter_async_context(chat)
                await stack.enter_async_context(agent)
                engine = Engine(World(store, chat, {"scripted": agent}, ListPrices(), rules(Path(directory), chats)))
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(engine.run)
                    await engine.ready.wait()
                    pipe.send("ready")
                    await to_thread.run_sync(pipe.recv)
                    tasks.cancel_scope.cancel()

    watched = {"the loop": cProfile.Profile(), "writes": cProfile.Profile(), "reads": cProfile.Profile()}
    if profile:
        _watch(Commits, "_commit", watched["writes"])
        _watch(Reads, "_look", watched["reads"])
        watched["the loop"].enable()
    anyio.run(work)
    watched["the loop"].disable()
    pipe.send((times, "".join(_told(name, one) for name, one in watched.items()) if profile else ""))


def _watch(kind: type, name: str, into: cProfile.Profile) -> None:
    """Count what the store's worker threads do, each of which has its own profile."""
    work: Callable[..., Any] = getattr(kind, name)

    def watched(*given: Any) -> Any:
        into.enable()
        try:
            return work(*given)
        finally:
            into.disable()

    setattr(kind, name, watched)


def _told(name: str, profile: cProfile.Profile) -> str:
    out = io.StringIO()
    pstats.Stats(profile, stream=out).strip_dirs().sort_stats("cumtime").print_stats(PROFILED)
    return f"{name}: {out.getvalue()}"


def echo(pipe: Connection, token: str, url: str) -> None:
    """python-telegram-bot's echo bot, eight updates at a time, until something comes over the pipe; it answers with `Times`."""
    from telegram import Update  # noqa: PLC0415 - the gateway's process has no use for them
    from telegram.ext import ApplicationBuilder, MessageHandler, filters  # noqa: PLC0415 - see above

    times: Times = {}

    async def answer(update: Update, _context: object) -> None:
        message = update.effective_message
        if message is not None and message.text is not None:
            times[message.text] = time.monotonic()
            await message.reply_text(f"echo {message.text} ")

    async def work() -> None:
        application = ApplicationBuilder().token(token).base_url(url).concurrent_updates(8).build()
        application.add_handler(MessageHandler(filters.TEXT, answer))
        async with application:
            await application.start()
            assert application.updater is not None  # noqa: S101 - it was built with one
            await application.updater.start_polling(timeout=POLL_S)
            pipe.send("ready")
            await to_thread.run_sync(pipe.recv)
            await application.updater.stop()
            await application.stop()

    anyio.run(work)
    pipe.send((times, ""))
