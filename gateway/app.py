"""The composition root: the only file that names the adapters."""

import logging
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import structlog
from rich.console import Console

from gateway import lock
from gateway.agents.claude import ClaudeAgent
from gateway.agents.scripted import ScriptedAgent
from gateway.chats.console import PERSON, ConsoleChat, Player
from gateway.chats.console.tour import HINT, TOUR
from gateway.chats.telegram import TelegramChat
from gateway.config import Settings, TelegramSettings, require_ready, settings_from
from gateway.domain.place import Grant, Role
from gateway.engine import Engine, Rules, World
from gateway.engine.world import no_step
from gateway.ports import Agent, Chat, TollbridgeError
from gateway.pricing import ListPrices
from gateway.reports.text import report_tables
from gateway.store import open_readonly, open_store

# python-telegram-bot would warn on every 429 otherwise; it reads this when it makes the error.
os.environ.setdefault("PTB_TIMEDELTA", "true")

log = structlog.get_logger()

MINUTE_MS = 60_000
LOG_BYTES_MAX = 10_000_000


def rules(settings: Settings, people: tuple[Grant, ...]) -> Rules:
    """The owner's settings as the engine's rules."""
    agents, budgets = settings.agents, settings.budgets
    return Rules(
        agent=agents.default,
        directory=str(agents.directory),
        roots=tuple(str(root) for root in agents.roots),
        session_limit=budgets.session_usd,
        day_limit=budgets.day_usd,
        confirm_above=budgets.confirm_above_usd,
        step=budgets.default_hold_usd,
        timezone=settings.zone,
        people=people,
        model=agents.claude.model if agents.default == "claude" else None,
        processes_max=agents.max_processes,
        idle_ms=int(agents.idle_minutes * MINUTE_MS),
        pause_ms=int(settings.pause_minutes * MINUTE_MS),
        approval_ms=int(settings.approval_minutes * MINUTE_MS),
    )


def owners(people: tuple[int, ...] | tuple[str, ...]) -> tuple[Grant, ...]:
    """The people of the settings own the gateway."""
    return tuple(Grant(str(person), Role.OWNER) for person in people)


@asynccontextmanager
async def engine(
    settings: Settings,
    chat: Chat,
    people: tuple[Grant, ...],
    *,
    scripted_pace: float = 1.0,
    on_step: Callable[[str], None] = no_step,
) -> AsyncGenerator[Engine]:
    """An engine over the home's store with every agent this gateway can start; not running yet. The caller holds the lock."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.home))
        claude = ClaudeAgent(settings.home, settings.agents.claude.command)
        scripted = ScriptedAgent(pace=scripted_pace, directory=settings.home / "agents" / "scripted")
        agents: Mapping[str, Agent] = {
            "claude": await stack.enter_async_context(claude),
            "scripted": await stack.enter_async_context(scripted),
        }
        yield Engine(World(store, chat, agents, ListPrices(), rules(settings, people), on_step=on_step))


async def serve(settings: Settings, chat_name: str, *, on_step: Callable[[str], None] = no_step) -> None:
    """Run one gateway until the chat ends or SIGINT or SIGTERM comes. Raises TollbridgeError."""
    async with AsyncExitStack() as stack:
        if chat_name == "console":
            chat: Chat = ConsoleChat()
            people = owners((PERSON,))
        else:
            telegram = settings.telegram
            if telegram.token is not None:
                stack.enter_context(lock.hold_token(telegram.token.get_secret_value(), telegram.base_url))
            chat = await stack.enter_async_context(telegram_chat(telegram))
            people = owners(settings.telegram.allowed_users)
        running = await stack.enter_async_context(engine(settings, chat, people, on_step=on_step))
        log.info("the gateway runs", chat=chat_name, agent=settings.agents.default)
        await run_until_signal(running)


def telegram_chat(telegram: TelegramSettings) -> TelegramChat:
    """The chat adapter for these settings. Raises TollbridgeError without a token."""
    if telegram.token is None:
        raise TollbridgeError("there is no bot token yet: run `tollbridge setup`")
    return TelegramChat(telegram.token.get_secret_value(), telegram.base_url)


async def run_until_signal(running: Engine) -> None:
    """Run an engine until its chat ends, or this process is asked to end."""
    async with anyio.create_task_group() as tasks:

        async def stop_on_signal() -> None:
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for _ in signals:
                    log.info("the gateway stops")
                    tasks.cancel_scope.cancel()
                    return

        tasks.start_soon(stop_on_signal)
        await running.run()
        tasks.cancel_scope.cancel()


def run_gateway(settings: Settings, *, chat: str, on_step: Callable[[str], None] = no_step) -> None:
    """`tollbridge up`. Raises TollbridgeError, and LockedError while another gateway works with the home."""
    require_ready(settings, chat)
    with lock.hold(settings.home):
        set_up_logging(settings.home / "gateway.log" if chat == "console" else None)
        anyio.run(lambda: serve(settings, chat, on_step=on_step), backend="asyncio")


def set_up_logging(file: Path | None) -> None:
    """Log to stderr, or to a file where the terminal is the phone; a file that grew too large begins anew."""
    stream = sys.stderr
    if file is not None:
        big = file.exists() and file.stat().st_size > LOG_BYTES_MAX
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if big else 0), 0o600)
        stream = os.fdopen(descriptor, "a", encoding="utf-8", buffering=1)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(),
            structlog.dev.ConsoleRenderer(colors=file is None and stream.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )


DEMO_TOML = """
timezone = "UTC"
[agents]
default = "scripted"
[budgets]
session_usd = "1.50"
day_usd = "10"
confirm_above_usd = "0.25"
default_hold_usd = "0.40"
"""


def run_demo(*, unattended: bool) -> None:
    """`tollbridge demo`: everything real but the phone and the agent, in a home that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tollbridge-demo-") as place:
        home = lock.make_home(Path(place) / "home")
        work = Path(place) / "project"
        work.mkdir()
        toml = DEMO_TOML.replace("[agents]", f'[agents]\ndirectory = "{work}"')
        settings = settings_from(toml, {}, home)
        with lock.hold(home):
            set_up_logging(home / "gateway.log")
            anyio.run(lambda: _play(settings, unattended=unattended), backend="asyncio")
        with open_readonly(home) as reader:
            tables = report_tables(reader.sessions(), tuple(turn for _, turn in reader.report_rows()))
        Console(highlight=False, markup=False).print(tables)


async def _play(settings: Settings, *, unattended: bool) -> None:
    chat = ConsoleChat(Player(TOUR, pause_s=0.15) if unattended else None)
    pace = 0.08 if unattended else 1.0
    async with engine(settings, chat, owners((PERSON,)), scripted_pace=pace) as running:
        sys.stdout.write(HINT)
        await run_until_signal(running)
