"""The doctor's checks: each looks at one thing and says how it is, and how to mend it. None of them changes anything."""

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli import bot_api, machine
from gateway.ports import TollbridgeError

if TYPE_CHECKING:
    from gateway.config import AgentSettings, BankSettings, LocalSettings, RetentionSettings, Settings, TelegramSettings
    from gateway.config.local import Place
    from gateway.ports.hooks import Hooked

OLDEST_PYTHON: Final = (3, 11)
RELEASED: Final = date(2026, 11, 1)
"""No clock that is right shows a day before this one."""
LEAST_SKEW_MS: Final = 60_000
"""From here on a clock is looked at; an answer of Telegram's may have taken some seconds."""
_SET_CLOCK: Final = "set the clock, best by a time service (`timedatectl set-ntp true` where there is systemd)"
LEAST_FREE_BYTES: Final = 200 * 1024 * 1024
LONG_QUEUE: Final = 100
DAY_MS: Final = 24 * 3_600_000
_OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_PROBE_S: Final = 3
_ALIASES: Final = frozenset({"default", "best", "opus", "sonnet", "haiku", "opusplan", "fable"})


class Status(StrEnum):
    """How a thing is. Only `fail` keeps the gateway from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; `mend` says what to do, empty if nothing."""

    name: str
    status: Status
    found: str
    mend: str = ""


def _ok(name: str, found: str) -> Check:
    return Check(name, Status.OK, found)


def _warn(name: str, found: str, mend: str) -> Check:
    return Check(name, Status.WARN, found, mend)


def _fail(name: str, found: str, mend: str) -> Check:
    return Check(name, Status.FAIL, found, mend)


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """The interpreter."""
    if version[:2] < OLDEST_PYTHON:
        return _fail("python", f"Python {machine.dotted(version)}", "install Python 3.11 or newer")
    return _ok("python", f"Python {machine.dotted(version)}")


def home(path: Path, pid: int | None) -> Iterator[Check]:
    """The gateway's directory: there, ours alone, with room on the disk. `pid`: the gateway that works with it."""
    if pid is not None:
        yield _ok("gateway", f"a gateway runs (process {pid or 'unknown'})")
    else:
        yield _ok("gateway", "no gateway runs")
    try:
        found = path.lstat()
    except FileNotFoundError:
        yield _warn("home", f"{path} does not exist yet", "run `tollbridge setup`")
        return
    except OSError as error:
        yield _fail("home", f"{path} cannot be looked at ({error.strerror})", "mend the permissions of its parents")
        return
    yield _owned("home", path, found)
    if stat.S_ISDIR(found.st_mode):
        for name in ("config.toml", "tollbridge.db"):
            with suppress(OSError):
                yield _owned(name, path / name, (path / name).lstat())
        free = shutil.disk_usage(path).free
        if free < LEAST_FREE_BYTES:
            yield _warn("disk", f"{free // 1024**2} MB are free at {path}", "make room: a full disk stops the gateway")


def _owned(name: str, path: Path, found: os.stat_result) -> Check:
    if stat.S_ISLNK(found.st_mode):
        return _fail(name, f"{path} is a symbolic link", "put the thing itself there, or set TOLLBRIDGE_HOME to it")
    if found.st_uid != os.geteuid():
        return _fail(name, f"{path} belongs to another user", "set TOLLBRIDGE_HOME to a directory of your own")
    if found.st_mode & _OPEN_TO_OTHERS:
        mode = "700" if stat.S_ISDIR(found.st_mode) else "600"
        mend = f"run `chmod {mode} {path}`; the gateway does it when it starts"
        return _warn(name, f"{path} is open to other users", mend)
    return _ok(name, str(path))


def telegram(settings: "TelegramSettings", now_ms: int, *, running: bool) -> Iterator[Check]:
    """The token, who may write, and whether somebody else listens. `running`: this home's gateway polls already."""
    if settings.token is None:
        found = "no bot token is set: without one only `tollbridge up --chat console` works"
        yield _fail("token", found, "run `tollbridge setup`, or set TOLLBRIDGE_TELEGRAM__TOKEN")
        return
    token = settings.token.get_secret_value()
    if settings.allowed_users:
        yield _ok("people", f"{len(settings.allowed_users)} may write to the bot")
    else:
        yield _fail("people", "nobody may write to the bot", "run `tollbridge setup`, or set telegram.allowed_users")
    try:
        yield from _bot(token, settings, now_ms, running=running)
    except bot_api.OtherPollerError as error:
        yield _fail("poller", str(error), "only one program can receive a bot's messages")
    except TollbridgeError as error:
        yield _fail("token", str(error), "the bot cannot work before this is mended")


def _bot(token: str, settings: "TelegramSettings", now_ms: int, *, running: bool) -> Iterator[Check]:
    from gateway.cli import telegram_checks
    from gateway.cli.setup import identity

    base_url, proxy = settings.base_url, settings.proxy_address
    bot = identity(token, base_url, proxy)
    yield _ok("token", f"the bot is @{bot_api.plain(bot.username)}")
    found = bot_api.webhook(token, base_url, proxy)
    skew = clock(now_ms, found.server_time_ms)
    if skew.status is not Status.OK:
        yield skew
    if settings.webhook.url is not None:
        yield telegram_checks.webhook(settings.webhook.url, found, running=running)
        return
    if found.url:
        words = f"a webhook takes this bot's messages ({telegram_checks.host(found.url)})"
        mend = "`tollbridge up` takes it away and drops nothing; if it comes back, use another bot"
        yield (_fail if running else _warn)("poller", words, mend)
        return
    if not running:
        # The older of two polls is refused: another poller comes back within seconds, and then ours is the older one.
        bot_api.updates(token, base_url, None, _PROBE_S, proxy)
    yield _ok("poller", "nobody else was seen to receive the bot's messages")


def free(name: str, setting: str, place: "Place", *, running: bool) -> Check:
    """Whether the gateway could listen there. One that runs does already, or it would not."""
    shown = "{}:{}".format(*place)
    if running:
        return _ok(name, f"the gateway listens on {shown}, if it was started with these settings")
    from gateway import listener as sockets

    try:
        sockets.bound(*place).close()
    except OSError as error:
        found = (
            f"{setting}: nothing can listen on {place.address} port {place.port} ({error.strerror}): set another port"
        )
        return _fail(name, found, f"set {setting} to a free port, or end the program that has this one")
    return _ok(name, f"{shown} is free for the gateway")


def clock(now_ms: int, reference_ms: int | None = None) -> Check:
    """Whether the machine's clock can be right, and agrees with another one."""
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    if today < RELEASED:
        return _fail("clock", f"the clock says {today}", f"{_SET_CLOCK}: the day's budget and every expiry go by it")
    skew_ms = 0 if reference_ms is None else now_ms - reference_ms
    if abs(skew_ms) >= LEAST_SKEW_MS:
        from gateway.view.figure_words import duration

        far = f"{duration(abs(skew_ms) // 1000)} {'ahead of' if skew_ms > 0 else 'behind'} Telegram's"
        held = (
            "messages are taken to have waited longer than they did, and are"
            if skew_ms > 0
            else "late messages are not"
        )
        mend = f"{_SET_CLOCK}: {held} asked about before they run, and the day's budget and every expiry go by it too"
        return _warn("clock", f"the clock is {far}", mend)
    return _ok("clock", f"{today} UTC")


def places(settings: "AgentSettings", home: Path) -> Iterator[Check]:
    """The directories in which agents work, none of them above the gateway's own, and git."""
    from gateway.config import misplaced

    for name, path in (("directory", settings.directory), *(("root", root) for root in settings.roots)):
        if not path.is_dir():
            yield _fail(name, f"there is no directory {path}", "create it, or change agents.directory and agents.roots")
        elif (reason := misplaced(path, home)) is not None:
            yield _fail(name, reason, "change agents.directory and agents.roots, or TOLLBRIDGE_HOME")
        elif not os.access(path, os.W_OK | os.X_OK):
            yield _warn(name, f"{path} cannot be written to", "agents will not be able to change anything there")
        else:
            yield _ok(name, str(path))
    if shutil.which("git") is None:
        yield _warn("git", "git was not found", "install git: without it nobody can tell what a turn left behind")


def claude(settings: "AgentSettings", environ: Mapping[str, str]) -> Iterator[Check]:
    """Whether Claude Code is there, new enough, and looks signed in. Nothing is asked of its API."""
    if settings.default != "claude":
        yield _ok("agent", f"new sessions get the {settings.default} agent")
        return
    found = machine.find(settings.claude.command, environ)
    if found is None:
        mend = "install it (npm install -g @anthropic-ai/claude-code), or set agents.claude.command"
        yield _fail("claude", f"there is no program {settings.claude.command!r}", mend)
        return
    oldest = machine.dotted(machine.OLDEST_CLAUDE)
    if found.version is None:
        yield _warn(
            "claude", f"{found.path} does not say its version", "start it by hand and see what is wrong with it"
        )
    elif found.version < machine.OLDEST_CLAUDE:
        yield _warn("claude", f"{found.words} is older than {oldest}", "update it: older ones were not tried")
    else:
        yield _ok("claude", found.words)
    signed_in = machine.claude_sign_in(environ)
    if signed_in is None:
        mend = "start `claude` once and sign in (a sign-in kept in a keychain cannot be seen from here)"
        yield _warn("sign-in", "nothing tells that Claude Code is signed in", mend)
    else:
        yield _ok("sign-in", signed_in)


def bank(settings: "BankSettings") -> Iterator[Check]:
    """Whether the team's bank can be reached, is of this version, and has the limits that the settings share."""
    where = settings.where
    if where is None:
        return
    import anyio

    from gateway.bank import open_bank
    from gateway.domain.lease import TeamScope

    async def limits() -> dict[str, bool]:
        async with open_bank(where, upgrade=False) as opened:
            scopes = {kind: TeamScope(settings.team or "", "" if kind == "ever" else kind) for kind in settings.periods}
            return {kind: (await opened.status(scope)).balance.limit is not None for kind, scope in scopes.items()}

    if isinstance(where, Path) and not where.exists():
        yield _ok("bank", f"{where} is made when the gateway starts")
        return
    try:
        found = anyio.run(limits, backend="asyncio")
    except TollbridgeError as error:
        yield _fail(
            "bank", str(error), "correct bank.url, or look at its database; work goes on for as long as leases last"
        )
        return
    yield _ok("bank", f"the bank of the team {settings.team} answers")
    for kind in (kind for kind, limited in found.items() if not limited):
        yield _warn(
            "bank", f"no limit for {kind} was set: nothing is lent", f"`tollbridge bank limit {kind} 500` sets one"
        )


def prices(model: str | None, today: date) -> Check:
    """Whether the configured model has a list price; without one every run has to be asked for."""
    if model is None or model.lower() in _ALIASES:
        return _ok("prices", "the client chooses the model: its price is looked up when it is known")
    from gateway.domain.usage import Unpriced
    from gateway.pricing import ListPrices

    rates = ListPrices().rates(model, today, "standard", "standard")
    if isinstance(rates, Unpriced):
        return _warn("prices", rates.reason, "every run on it will ask you first: correct agents.claude.model")
    return _ok("prices", f"the list price of {model} is known")


def cheaper(model: str | None, today: date) -> Iterator[Check]:
    """Whether the cheaper model, if there is one, has a list price; without one it is never offered."""
    if model is None:
        return
    from gateway.domain.usage import Unpriced
    from gateway.pricing import ListPrices

    rates = ListPrices().rates(model, today, "standard", "standard")
    if isinstance(rates, Unpriced):
        hint = "it is never offered: write the model's whole name in agents.claude.cheaper_model"
        yield _warn("cheaper model", rates.reason, hint)
    else:
        yield _ok("cheaper model", f"the list price of {model} is known")


def database(path: Path, now_ms: int, *, running: bool) -> Iterator[Check]:
    """Whether the ledger holds, and what lies in the queues. Never raises: what is wrong with the file is a finding."""
    from gateway.cli import ledger
    from gateway.store import open_readonly
    from gateway.store.home import DATABASE

    if not (path / DATABASE).exists():
        yield _ok("database", "there is none yet")
        return
    if path.stat().st_mode & _OPEN_TO_OTHERS:
        yield _warn("database", "not looked at while the home is open to others", f"run `chmod 700 {path}`, then this")
        return
    try:
        with ledger.naming(path), open_readonly(path) as reader:
            flaws, queues = list(reader.verify()), reader.queues()
            unsure, aside = reader.unsure(), reader.quarantined()
            lost, unpriced = reader.never_arrived(now_ms - DAY_MS), reader.unpriced_calls()
            hooked = reader.hooked()
    except TollbridgeError as error:
        yield _fail("database", str(error), "keep a copy of the home before you try anything with it")
        return
    if flaws:
        more = f", and {len(flaws) - 1} more" if len(flaws) > 1 else ""
        yield _fail("database", f"{flaws[0].what}{more}", "keep a copy of the home: the ledger was changed or damaged")
    else:
        yield _ok("database", "whole, and the ledger's chain holds")
    if unsure:
        yield _warn(
            "outbox", f"{len(unsure)} messages may not have arrived: {unsure[-1][2][:120]}", "look into the chat"
        )
    if lost:
        mend = "see that the bot is not blocked, and still in the chat; the log names the messages"
        yield _warn("rejected", f"{len(lost)} messages of the last day never arrived: {lost[-1][:120]}", mend)
    if max(queues.inbox, queues.outbox) > LONG_QUEUE or (not running and queues.inbox + queues.outbox):
        waiting = f"{queues.inbox} updates and {queues.outbox} messages wait"
        yield _warn("queues", waiting, "look at what the gateway logs" if running else "run `tollbridge up`")
    if aside:
        yield _warn("quarantine", f"{len(aside)} updates could not be read: {aside[-1][2][:120]}", "write them again")
    yield from _webhook(hooked)
    if unpriced:
        yield _warn(
            "unpriced",
            f"{unpriced} calls have no known price",
            "`tollbridge report` shows of which models, `tollbridge reprice` prices what has a price by now",
        )


def _webhook(hooked: "Hooked") -> Iterator[Check]:
    if hooked.why and (hooked.waiting or hooked.given_up):
        found = f"waiting events: {hooked.waiting}, given up: {hooked.given_up}; the last failure: {hooked.why}"
        mend = "`tollbridge hooks test` tries it; the turns themselves are all in `tollbridge report`"
        yield _warn("webhook", found, mend)


def listener(settings: "LocalSettings", *, running: bool) -> Iterator[Check]:
    """Whether the gateway could listen where the settings say."""
    if settings.listen is not None:
        yield free("listen", "local.listen", settings.listen, running=running)


def retention(settings: "RetentionSettings") -> Iterator[Check]:
    """How long what is kept."""
    from gateway.store.inbox import HANDLED_KEPT_MS
    from gateway.view.forget_words import kept

    yield _ok("retention", kept(settings.prompts_days, settings.files_days, HANDLED_KEPT_MS // DAY_MS))


def settings_of(environ: Mapping[str, str], path: Path) -> "tuple[Check, Settings | None]":
    """The settings, or why there are none."""
    from gateway import config

    try:
        settings = config.settings_from(config.read_file(config.config_file(path)), environ, path)
    except TollbridgeError as error:
        return _fail("settings", str(error), "correct it, then run this again"), None
    file = config.config_file(path)
    return _ok("settings", str(file) if file.exists() else f"{file} does not exist: the defaults hold"), settings


def everything(environ: Mapping[str, str], now: Callable[[], int]) -> Iterator[Check]:
    """Every check, in an order in which the first failure is usually the cause of the others. `now`: the time of day; looking at a
    large ledger takes long enough for another one.
    """
    from gateway import config, lock

    yield python()
    path = config.home_directory(environ)
    pid = lock.holder(path)
    yield from home(path, pid)
    now_ms = now()
    yield clock(now_ms)
    finding, settings = settings_of(environ, path)
    yield finding
    yield from database(path, now_ms, running=pid is not None)
    if settings is None:
        return
    from gateway.cli import desk_checks, telegram_checks, telemetry_checks, voice_checks

    yield from telegram_checks.ways(settings.telegram, running=pid is not None)
    yield from telegram(settings.telegram, now(), running=pid is not None)
    yield voice_checks.voice(settings.voice, environ)
    yield from places(settings.agents, path)
    yield from retention(settings.retention)
    yield from listener(settings.local, running=pid is not None)
    yield from telemetry_checks.metrics(settings.metrics, running=pid is not None)
    yield from telemetry_checks.telemetry(settings.telemetry)
    yield from claude(settings.agents, environ)
    yield from desk_checks.desk(settings, environ, running=pid is not None)
    yield from desk_checks.calls(settings, environ)
    yield from desk_checks.autostart(path, allowed=settings.local.autostart)
    yield from bank(settings.bank)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    yield prices(settings.agents.claude.model, today)
    yield from cheaper(settings.agents.claude.cheaper_model, today)
