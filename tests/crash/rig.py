"""A machine on which gateways are started and killed: one home, one bot, one API, and the people who write to it.

The stand-ins live in the test's process and outlive every gateway; the gateway and Claude Code are real processes.
"""

import json
import os
import signal
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.abc

from gateway.core.turn import ENDED
from gateway.store import open_readonly
from tests.crash.processes import Alive, left_of
from tests.fakes.bot_api import BotApi
from tests.fakes.bot_api_phone import Button, Phone, Seen
from tests.fakes.claude_binary import find_claude
from tests.fakes.messages_api import MessagesApi
from tests.nursery import nursery

OWNERS = (4711, 4712, 4713)
BYTES_AT_ONCE = 64 * 1024
GENEROUS = {"SESSION_USD": "50", "DAY_USD": "500", "CONFIRM_ABOVE_USD": "20", "DEFAULT_HOLD_USD": "0.50"}
"""So that only a test's own limit speaks."""
TAPPED = ("Raise", "Go on", "Allow", "Continue", "Run,")
"""What a person who wants everything to go on taps, as their labels begin."""


class Gateway:
    """A gateway's process as the test sees it: `steps` are the durable steps that it has passed, with their times.

    `told` is the pipe on which it says what it does (`tests.crash.gateway_main`); `follow` closes it.
    """

    def __init__(self, told: int, log: Path) -> None:
        self.log = log
        self.pid = 0
        self.code: int | None = None
        self.steps: list[tuple[str, float]] = []
        self._told = told
        self._news = anyio.Event()

    @property
    def passed(self) -> list[str]:
        return [step for step, _ in self.steps]

    async def follow(self) -> None:
        """Read what it tells until it is gone."""
        rest = b""
        try:
            while self.code is None:
                await anyio.wait_readable(self._told)
                data = os.read(self._told, BYTES_AT_ONCE)
                assert data, f"nobody says how the gateway ended: {self.passed}"
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._hear(*line.decode().split())
                self._tell()
        finally:
            os.close(self._told)

    def _hear(self, word: str, figure: str) -> None:
        match word:
            case "pid":
                self.pid = int(figure)
            case "exit":
                self.code = int(figure)
            case step:
                self.steps.append((step, float(figure)))

    async def lives(self, within_s: float = 60) -> None:
        """Return once it has a process: the first one is only loaded then."""
        with anyio.fail_after(within_s):
            while not self.pid:
                await self._news.wait()

    async def until(self, step: str, count: int = 1, within_s: float = 30) -> None:
        """Return once it has passed the step so often."""
        with anyio.fail_after(within_s):
            while self.passed.count(step) < count:
                gone = f"the gateway ended before {step!r}: {self.passed}\n{self.log.read_text()}"
                assert self.code is None, gone
                await self._news.wait()

    async def next_step(self) -> None:
        """Return once it has told something."""
        await self._news.wait()

    async def until_passed(self, steps: int) -> None:
        """Return once it has passed so many steps, of whatever kind."""
        while len(self.steps) < steps:
            await self._news.wait()

    async def ended(self, within_s: float) -> int:
        """Wait until it has ended, and all that it told is read; its exit code."""
        with anyio.fail_after(within_s):
            while self.code is None:
                await self._news.wait()
        return self.code

    async def died(self, within_s: float = 40) -> None:
        """The same of one that is killed."""
        code = await self.ended(within_s)
        assert code == -signal.SIGKILL, (code, self.passed, self.log.read_text())

    def kill(self) -> None:
        """SIGKILL it, if it lives."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)

    async def stop(self, number: signal.Signals = signal.SIGTERM, within_s: float = 30) -> int:
        """Ask it to end in good order; its exit code."""
        if self.code is None:
            os.kill(self.pid, number)
        return await self.ended(within_s)

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()


def born(environ: Mapping[str, str], log: Path, step: str | None = None, n: int = 1) -> Gateway:
    """A new gateway's process, with its stderr in a file; with `step` it kills itself at the n-th passing."""
    order = {"make": "gateway", "environ": dict(environ), "step": step, "n": n}
    with log.open("wb") as errors, Path(os.devnull).open("rb") as nothing:
        return Gateway(nursery().bear(order, nothing.fileno(), None, errors.fileno()), log)


@dataclass
class Machine:
    """Where it all happens."""

    place: Path
    telegram: BotApi
    api: MessagesApi
    environ: dict[str, str]
    phones: list[Phone]
    tasks: anyio.abc.TaskGroup
    deaths: list[float] = field(default_factory=list[float])
    """When gateways were killed, on the monotonic clock."""
    started: list[Gateway] = field(default_factory=list[Gateway])

    @property
    def home(self) -> Path:
        return self.place / "home"

    @property
    def phone(self) -> Phone:
        return self.phones[0]

    async def start(self, step: str | None = None, n: int = 1) -> Gateway:
        """Start a gateway; with `step` it kills itself at the n-th passing."""
        log = self.place / f"gateway-{len(self.started)}.log"
        gateway = born(self.environ, log, step, n)
        self.started.append(gateway)
        self.tasks.start_soon(gateway.follow)
        await gateway.lives()
        return gateway

    async def dies(self, gateway: Gateway) -> None:
        """Wait until a gateway has killed itself: it did so right after the last step that it told."""
        await gateway.died()
        self.deaths.append(gateway.steps[-1][1])

    async def kill(self, gateway: Gateway) -> None:
        """SIGKILL a gateway now."""
        self.deaths.append(time.monotonic())
        gateway.kill()
        await gateway.died()

    async def rests(self, within_s: float = 20) -> None:
        """No turn is at work: an answer may stand on a phone while its turn still runs."""
        with open_readonly(self.home) as reader, anyio.move_on_after(within_s):
            while any(turn.state not in ENDED for _, turn in reader.report_rows()):
                await self.started[-1].next_step()

    def left(self) -> set[str]:
        """Command lines of what agents have left running; gateways do not count."""
        return {alive.command for alive in self.agents()}

    def agents(self) -> set[Alive]:
        """Wardens, clients and tools that are alive."""
        return left_of(self.place, (*(gateway.pid for gateway in self.started), os.getpid()))

    def clicker(self, phone: Phone, wanted: Callable[[Button], bool] | None = None) -> None:
        """From now on this person taps every button that lets things go on, each once."""
        self.tasks.start_soon(taps, phone, wanted or (lambda button: button.text.startswith(TAPPED)))

    async def end(self) -> None:
        """Nothing of the test runs on."""
        for gateway in self.started:
            if gateway.pid:
                gateway.kill()
                await gateway.ended(40)
        for alive in self.agents():
            os.kill(alive.pid, signal.SIGKILL)


async def taps(phone: Phone, wanted: Callable[[Button], bool]) -> None:
    """Tap the first wanted button of every message, once; of a message that was repeated, too."""
    tapped: set[tuple[int, str | None]] = set()

    def fresh(seen: Seen) -> bool:
        first = next(filter(wanted, seen.buttons), None)
        return first is not None and (seen.message_id, first.data) not in tapped

    while True:
        seen = await phone.waits_for(fresh, timeout=3600)
        button = next(filter(wanted, seen.buttons))
        tapped.add((seen.message_id, button.data))
        try:
            phone.taps(button.data or "", seen.message_id)
        except LookupError:
            continue  # the message was changed just now


@asynccontextmanager
async def machine(
    tmp_path: Path,
    limits: Mapping[str, str] = GENEROUS,
    *,
    people: int = 1,
    settings: Mapping[str, str] | None = None,
) -> AsyncGenerator[Machine]:
    """The stand-ins, and a home without a gateway yet. `limits`: its budgets; `settings`: more of its environment."""
    place = tmp_path / "machine"
    (place / "work").mkdir(parents=True)
    with MessagesApi() as api, BotApi() as telegram:
        budgets = {f"TOLLBRIDGE_BUDGETS__{name}": value for name, value in (GENEROUS | dict(limits)).items()}
        environ = api.claude_env(place / "claude") | {
            "TOLLBRIDGE_HOME": str(place / "home"),
            "TOLLBRIDGE_TELEGRAM__TOKEN": telegram.token,
            "TOLLBRIDGE_TELEGRAM__BASE_URL": telegram.base_url,
            "TOLLBRIDGE_TELEGRAM__ALLOWED_USERS": json.dumps(OWNERS),
            "TOLLBRIDGE_AGENTS__DIRECTORY": str(place / "work"),
            "TOLLBRIDGE_AGENTS__CLAUDE__COMMAND": str(find_claude()),
            "TOLLBRIDGE_TIMEZONE": "UTC",
            "TOLLBRIDGE_HISTORY__READ_LOGS": "false",
            **budgets,
            **(settings or {}),
        }
        phones = [telegram.user(person, f"Person {person}") for person in OWNERS[:people]]
        async with anyio.create_task_group() as tasks:
            here = Machine(place, telegram, api, environ, phones, tasks)
            try:
                yield here
            finally:
                with anyio.CancelScope(shield=True):
                    await here.end()
                tasks.cancel_scope.cancel()
