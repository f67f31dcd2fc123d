"""The composition root: the only file that names the adapters."""

import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.to_thread
import structlog
from anyio.abc import SocketListener
from rich.console import Console

from gateway import clock, history, host, lock, logs, outlets, priors
from gateway.agents.claude import ClaudeAgent
from gateway.agents.claude.desk import DeskAgent
from gateway.agents.forgetting import erase, erase_old
from gateway.agents.scripted import ScriptedAgent
from gateway.bank import open_bank
from gateway.charts import Charts, MemoryCharts
from gateway.chats.console import PERSON, ConsoleChat, Player
from gateway.chats.console.tour import HINT, TOUR
from gateway.chats.telegram import LOCAL_BYTES_MAX, TelegramChat, Webhook
from gateway.config import Settings, TelegramSettings, VoiceSettings, config_file, require_ready, settings_from
from gateway.core.hooks import Event, event, project_name
from gateway.core.lease import LeaseTerms
from gateway.core.scopes import period
from gateway.domain.budget import Scope, ScopeKind
from gateway.domain.change import Asker, Standing
from gateway.domain.charts import PeriodChart, SessionChart, Theme
from gateway.domain.money import Usd
from gateway.domain.outcome import Left
from gateway.domain.place import AT_DESK, Grant, Role, Session
from gateway.domain.turn import Turn
from gateway.engine import Desk, Engine, Rules, Team, World, bounds, pairing, requests
from gateway.engine import people as who_may
from gateway.engine.asked import Pace
from gateway.engine.decision import Draft
from gateway.engine.forgetting import Beside
from gateway.engine.forgetting import asked as forget_asked
from gateway.engine.steps import no_step
from gateway.files import Spool
from gateway.hooks import Hook, Sender
from gateway.local import autostart, changes, door, forgetting, people
from gateway.ports import Agent, Bank, Chat, TollbridgeError, Transcriber
from gateway.ports.hooks import Tell
from gateway.pricing import ListPrices
from gateway.reports.text import report_tables
from gateway.store import SqliteStore, open_readonly, open_store
from gateway.voice import CommandTranscriber, HttpTranscriber

log = structlog.get_logger()

MINUTE_MS = 60_000
NAME_FILE = "gateway-name"


def rules(settings: Settings, people: tuple[Grant, ...]) -> Rules:
    """The owner's settings as the engine's rules."""
    agents, budgets = settings.agents, settings.budgets
    return Rules(
        agent=agents.default,
        directory=str(agents.directory),
        roots=tuple(str(root) for root in agents.roots),
        limits=budgets.limits,
        caps=budgets.caps,
        pace_times=budgets.pace_times,
        ask_at_quota=budgets.ask_at_quota,
        confirm_above=budgets.confirm_above_usd,
        step=budgets.default_hold_usd,
        timezone=settings.zone,
        people=people,
        model=agents.claude.model if agents.default == "claude" else None,
        cheaper_model=agents.claude.cheaper_model if agents.default == "claude" else None,
        processes_max=agents.max_processes,
        idle_ms=int(agents.idle_minutes * MINUTE_MS),
        pause_ms=int(settings.pause_minutes * MINUTE_MS),
        approval_ms=int(settings.approval_minutes * MINUTE_MS),
        files=str(agents.files),
        file_bytes_max=agents.file_mb * 1024 * 1024,
        files_bytes_max=agents.files_total_mb * 1024 * 1024,
        shows_heard=settings.voice.show,
        policy=settings.policy_rules,
        unpriced_refused=budgets.unpriced == "refuse",
        groups_listen=settings.telegram.groups.mention == "always-listens",
        prompts_days=settings.retention.prompts_days,
        files_days=settings.retention.files_days,
        desks=desks(settings, people),
        worktrees=str(agents.worktrees),
    )


def desks(settings: Settings, people: tuple[Grant, ...]) -> tuple[Desk, ...]:
    """Whose the sessions at the desk are, and where they are told of: by the settings, else the first owner's, in their own chat."""
    owner = next((grant.person for grant in people if grant.role is Role.OWNER), None)
    desk = settings.desk
    person = owner if desk.person is None else str(desk.person)
    if person is None:
        return ()
    usual = Desk("/", person, desk.chat or person)
    places = (
        Desk(
            str(place.directory),
            str(place.person or person),
            place.chat or (str(place.person) if place.person else usual.chat),
            place.topic,
        )
        for place in desk.places
    )
    return (*places, usual)


def owners(people: tuple[int, ...] | tuple[str, ...]) -> tuple[Grant, ...]:
    """These people own the gateway."""
    return tuple(Grant(str(person), Role.OWNER) for person in people)


def grants(settings: Settings) -> tuple[Grant, ...]:
    """Who may do what: the allowed users own the gateway, others have the role that the settings give them."""
    others = (Grant(str(one.id), one.role, one.chat, one.largest_raise_usd) for one in settings.people)
    return (*owners(settings.telegram.allowed_users), *others)


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
        store = await stack.enter_async_context(open_store(settings.home, tell=tell_of(settings)))
        claude = ClaudeAgent(settings.home, settings.agents.claude.command)
        scripted = ScriptedAgent(pace=scripted_pace, directory=settings.home / "agents" / "scripted")
        agents: Mapping[str, Agent] = {
            "claude": await stack.enter_async_context(claude),
            "scripted": await stack.enter_async_context(scripted),
            AT_DESK: await stack.enter_async_context(DeskAgent(settings.home)),
        }
        world = World(store, chat, agents, ListPrices(), rules(settings, people), priors.load(), on_step=on_step)
        world.spool = spool_of(settings)
        world.draw = partial(drawn, Charts(settings.home / "charts"), settings.telegram.pictures)
        world.erase = partial(erase, settings.home, os.environ)
        world.erase_old = partial(erase_old, settings.home)
        world.transcriber = transcriber_of(settings.voice)
        world.team = team_of(settings)
        if world.team is not None:
            world.bank = await stack.enter_async_context(bank_of(settings))
        yield Engine(world)


def beside(settings: Settings) -> Beside:
    """What there is of sessions beside the database, by the settings; for who works without a gateway."""
    return Beside(partial(erase, settings.home, os.environ), str(settings.agents.files), spool_of(settings))


def spool_of(settings: Settings) -> Spool:
    """Where files wait to be sent: a Bot API server with `--local` takes larger ones."""
    if settings.telegram.files_dir is None:
        return Spool(settings.home, clock.new_id)
    return Spool(settings.home, clock.new_id, bytes_max=LOCAL_BYTES_MAX, quota=2 * LOCAL_BYTES_MAX)


async def drawn(
    charts: Charts | MemoryCharts, theme: Theme, chart: SessionChart | PeriodChart, zone: tzinfo
) -> bytes | None:
    """A chart, light or dark as the settings say."""
    return await charts.draw(chart, theme, zone)


def transcriber_of(voice: VoiceSettings) -> Transcriber | None:
    """Who writes down what people say, by the settings."""
    if voice.command:
        return CommandTranscriber(voice.command, seconds=voice.seconds)
    if voice.url is None or voice.model is None:
        return None
    key = "" if voice.key is None else voice.key.get_secret_value()
    return HttpTranscriber(voice.url, voice.model, key=key, language=voice.language or "", seconds=voice.seconds)


def tell_of(settings: Settings) -> Tell | None:
    """What the owner's webhook is told of a turn, by the settings; None: there is no webhook."""
    if settings.hooks.url is None:
        return None
    how = settings.hooks.project

    def tell(
        before: Turn | None, after: Turn, session: Session, version: int, at_ms: int, left: Left | None
    ) -> Event | None:
        project = project_name(session.project or session.directory, how)
        return event(before, after, session, project=project, version=version, at_ms=at_ms, left=left)

    return tell


def sender_of(settings: Settings, store: SqliteStore) -> Sender | None:
    """Who sends that, by the settings."""
    if settings.hooks.url is None:
        return None
    return Sender(store.hooks, Hook(settings.hooks.url.get_secret_value(), settings.hooks.keys), clock.now_ms)


def team_of(settings: Settings) -> Team | None:
    """The team whose limits this gateway shares, by its settings."""
    bank = settings.bank
    if bank.url is None or bank.team is None:
        return None
    terms = LeaseTerms(bank.chunk_usd, bank.least_usd, lasts_ms=int(bank.lease_minutes * MINUTE_MS))
    name = bank.gateway or gateway_name(settings.home)
    return Team(bank.team, name, terms, bank.periods, bank.project)


def bank_of(settings: Settings) -> AbstractAsyncContextManager[Bank]:
    """The team's bank. A file is made if it is not there; a shared database is only brought up to date by who is told to.

    Raises TollbridgeError where the file has no place.
    """
    where = settings.bank.where
    if isinstance(where, Path):
        try:
            where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            words = f"bank.url: the directory {where.parent} cannot be made ({error.strerror}): put the bank's file elsewhere"
            raise TollbridgeError(words) from None
    return open_bank(where, upgrade=isinstance(where, Path), patient=True)


def gateway_name(home: Path) -> str:
    """A name that no other gateway has, made once: two of one name would be taken for copies of each other."""
    file = home / NAME_FILE
    if not file.exists():
        host = "".join(char if char.isalnum() else "-" for char in socket.gethostname())[:60]
        fresh = file.with_suffix(".new")
        fresh.write_text(f"{host}-{clock.new_id('')[-6:]}", encoding="utf-8")
        fresh.replace(file)
    return file.read_text(encoding="utf-8").strip()


async def serve(settings: Settings, chat_name: str, *, on_step: Callable[[str], None] = no_step) -> None:
    """Run one gateway until the chat ends or SIGINT or SIGTERM comes. Raises TollbridgeError."""
    async with AsyncExitStack() as stack:
        if chat_name == "console":
            chat: ConsoleChat | TelegramChat = ConsoleChat()
            people = owners((PERSON,))
        else:
            telegram = settings.telegram
            if telegram.token is not None:
                stack.enter_context(lock.hold_token(telegram.token.get_secret_value(), telegram.base_url))
            chat = await stack.enter_async_context(telegram_chat(telegram))
            people = grants(settings)
        running = await stack.enter_async_context(engine(settings, chat, people, on_step=on_step))
        listener = await stack.enter_async_context(door.opened(settings.home))
        if settings.local.listen is not None:
            stack.enter_context(loopback := host.bound_at(settings.local.listen))
        else:
            loopback = None
        if missing := missing_agent(settings):
            log.warning(missing)
        if isinstance(chat, ConsoleChat):
            chat.introduce(greeting(settings, await day_limit(running.world)))
            bot = {}
        else:
            bot = await introduced(chat)
        pace = Pace()
        also: list[Callable[[], Coroutine[Any, Any, None]]]
        also = [partial(answer_at, listener, running, pace), partial(host.collect, running, settings.home)]
        learns = (
            partial(history.follow, running, settings.home)
            if settings.history.read_logs
            else partial(history.forget, running)
        )
        also.append(learns)
        sender = sender_of(settings, cast("SqliteStore", running.world.store))
        if sender is not None:
            also.append(partial(sender.run))
        if loopback is not None:
            also.append(partial(host.listen_at, loopback, running, settings.home, pace))
        outward = outlets.opened(settings, running.world, partial(gateway_name, settings.home))
        also.extend(await stack.enter_async_context(outward))
        await run_until_signal(running, *also, chat=chat_name, **bot, agent=settings.agents.default)


async def day_limit(world: World) -> Usd | None:
    """Today's limit as it counts now: set or raised since, it is another one than the settings'."""
    today = Scope(ScopeKind.DAY, period(ScopeKind.DAY, world.today()))
    return (await world.store.read(lambda view: bounds.balance(world, view, Draft(), today))).limit


def greeting(settings: Settings, day: Usd | None) -> str:
    """What the terminal's chat begins with: who works where, within what limits, and how to leave. `day`: today's."""
    agents, budgets = settings.agents, settings.budgets
    model = f" ({agents.claude.model})" if agents.default == "claude" and agents.claude.model else ""
    who = f"The {agents.default} agent{model} works in {agents.directory}"
    a_day = "" if day is None else f" and {day} a day"
    within = f"for at most {budgets.session_usd} a session{a_day}, at list prices"
    greeting = f"{who}, {within}. Write what you want done; /help explains; Ctrl-D leaves."
    missing = missing_agent(settings)
    return f"{greeting}\n{missing}" if missing else greeting


def missing_agent(settings: Settings) -> str:
    """A sentence for a client that new sessions would not find; empty if it is there."""
    command = settings.agents.claude.command
    if settings.agents.default != "claude" or shutil.which(command) is not None:
        return ""
    return f"There is no program {command!r}: install Claude Code, or set agents.claude.command. Until then no turn can run."


async def introduced(chat: TelegramChat) -> dict[str, str]:
    """Who the bot is, for the log; nothing while Telegram cannot be reached. Raises TollbridgeError for a wrong token."""
    found = await chat.introduce()
    if isinstance(found, str):
        log.warning("Telegram cannot be reached yet; the gateway goes on trying", problem=found)
        return {}
    return {"bot": f"@{found.username}"}


def telegram_chat(telegram: TelegramSettings) -> TelegramChat:
    """The chat adapter for these settings. Raises TollbridgeError without a token."""
    if telegram.token is None:
        raise TollbridgeError("there is no bot token yet: run `tollbridge setup`")
    webhook, secret = telegram.webhook, telegram.webhook.secret
    return TelegramChat(
        telegram.token.get_secret_value(),
        telegram.base_url,
        proxy=telegram.proxy_address,
        files_dir=telegram.files_dir,
        webhook=Webhook(webhook.url, *webhook.listen, secret.get_secret_value()) if webhook.url and secret else None,
    )


async def answer_at(listener: SocketListener, running: Engine, pace: Pace) -> None:
    """Answer at the door on this machine. Not before it is known who may do what."""
    await running.ready.wait()
    ask, look = partial(requests.request, running.world), partial(requests.standing, running.world)
    desk = cast("DeskAgent", running.world.agents[AT_DESK])
    desk.attach = running.attach
    also = {**people.routes(deeds_of(running.world)), **host.routes(running.world, desk, pace)}
    also |= forgetting.routes(partial(forget_asked, running.world))
    await door.serve(listener, {**changes.routes(ask, look), **also})


def deeds_of(world: World) -> people.Engine:
    """What the door does to people, in this world."""

    async def answer(window_id: str, yes: bool, asker: Asker) -> Standing:  # noqa: FBT001 - as it came through the door
        return await pairing.answered(world, window_id, asker, yes=yes)

    return people.Engine(
        partial(pairing.opened, world), partial(pairing.typed, world), answer, partial(who_may.change, world)
    )


async def run_until_signal(
    running: Engine,
    *also: Callable[[], Coroutine[Any, Any, None]],
    **about: str,
) -> None:
    """Run an engine until its chat ends, or this process is asked to end. `also`: what goes on beside it. `about`: what the log
    says of it.
    """
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:

            async def stop_on_signal() -> None:
                async for _ in signals:
                    log.info("the gateway stops")
                    tasks.cancel_scope.cancel()
                    return

            tasks.start_soon(stop_on_signal)
            for one in also:
                tasks.start_soon(one)
            log.info("the gateway runs", **about)
            await running.run()
            tasks.cancel_scope.cancel()


def run_gateway(
    settings: Settings, *, chat: str, log_file: Path | None = None, on_step: Callable[[str], None] = no_step
) -> None:
    """`tollbridge up`. Raises TollbridgeError, and LockedError while another gateway works with the home."""
    require_ready(settings, chat)
    opened = [path for path in (settings.home, config_file(settings.home)) if lock.close_to_others(path)]
    if chat == "console":
        log_file = log_file or settings.home / logs.FILE
    # From here on its end empties the lock: one that was killed is started again by sessions that are open, one that was stopped is not.
    signal.signal(signal.SIGTERM, _interrupted)
    with lock.hold(settings.home), logs.logging_to(log_file):
        for path in opened:
            log.warning("this was open to other users of the machine, and is closed to them now", path=str(path))
        if chat != "console" and (why := autostart.kept(settings.home, allowed=settings.local.autostart)):
            log.warning(why)
        anyio.run(lambda: serve(settings, chat, on_step=on_step), backend="asyncio")


def _interrupted(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


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
        with lock.hold(home), logs.logging_to(home / logs.FILE):
            anyio.run(lambda: _play(settings, unattended=unattended), backend="asyncio")
        with open_readonly(home) as reader:
            sessions, turns = reader.sessions(), tuple(turn for _, turn in reader.report_rows())
        if not turns and not sys.stdin.isatty():
            raise TollbridgeError(
                "no prompt came in, so nothing ran: `tollbridge demo --unattended` plays it through by itself"
            )
        console = Console(highlight=False, markup=False)
        # An empty line first: a terminal that echoes Ctrl-C leaves the cursor behind it.
        console.print("", report_tables(sessions, turns, console.width), sep="\n")


async def _play(settings: Settings, *, unattended: bool) -> None:
    chat = ConsoleChat(Player(TOUR, pause_s=0.15) if unattended else None)
    pace = 0.08 if unattended else 1.0
    async with engine(settings, chat, owners((PERSON,)), scripted_pace=pace) as running:
        chat.introduce(HINT)
        await run_until_signal(running)
