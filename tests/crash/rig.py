"""A machine on which gateways are started and killed: one home, one bot, one API, and the people who write to it.

The stand-ins live in the test's process and outlive every gateway; the gateway and Claude Code are real processes.
"""

import json
import os
import signal
import subprocess
import sys
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

OWNERS = (4711, 4712, 4713)
REPOSITORY = Path(__file__).parents[2]
GENEROUS = {"SESSION_USD": "50", "DAY_USD": "500", "CONFIRM_ABOVE_USD": "20", "DEFAULT_HOLD_USD": "0.50"}
"""So that only a test's own limit speaks."""
TAPPED = ("Raise", "Go on", "Allow", "Continue", "Run")
"""What a person who wants everything to go on taps, as their labels begin."""


class Gateway:
    """A gateway's process as the test sees it: `steps` are the durable steps that it has passed, with their times."""

    def __init__(self, process: anyio.abc.Process, log: Path) -> None:
        self.process = process
        self.log = log
        self.steps: list[tuple[str, float]] = []
        self.over = False
        self._news = anyio.Event()

    @property
    def passed(self) -> list[str]:
        return [step for step, _ in self.steps]

    async def follow(self) -> None:
        """Read what it tells until it is gone."""
        rest = b""
        assert self.process.stdout is not None
        async for data in self.process.stdout:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                step, at = line.decode().split()
                self.steps.append((step, float(at)))
            self._tell()
        self.over = True
        self._tell()

    async def until(self, step: str, count: int = 1, within_s: float = 30) -> None:
        """Return once it has passed the step so often."""
        with anyio.fail_after(within_s):
            while self.passed.count(step) < count:
                assert not self.over, f"the gateway ended before {step!r}: {self.passed}\n{self.log.read_text()}"
                await self._news.wait()

    async def next_step(self) -> None:
        """Return once it has told something."""
        await self._news.wait()

    async def until_passed(self, steps: int) -> None:
        """Return once it has passed so many steps, of whatever kind."""
        while len(self.steps) < steps:
            await self._news.wait()

    async def died(self, within_s: float = 40) -> None:
        """Wait until it was killed, and all that it told is read."""
        with anyio.fail_after(within_s):
            code = await self.process.wait()
            while not self.over:
                await self._news.wait()
        assert code == -signal.SIGKILL, (code, self.passed, self.log.read_text())

    async def stop(self, number: signal.Signals = signal.SIGTERM, within_s: float = 30) -> int:
        """Ask it to end in good order; its exit code."""
        self.process.send_signal(number)
        with anyio.fail_after(within_s):
            return await self.process.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()


@dataclass
class Machine:
    """Where it all happens. To load a gateway takes a while: the next one is loaded while one runs, `gateways` in all."""

    place: Path
    telegram: BotApi
    api: MessagesApi
    environ: dict[str, str]
    phones: list[Phone]
    tasks: anyio.abc.TaskGroup
    gateways: int
    deaths: list[float] = field(default_factory=list[float])
    """When gateways were killed, on the monotonic clock."""
    started: list[Gateway] = field(default_factory=list[Gateway])
    _spare: Gateway | None = None

    @property
    def home(self) -> Path:
        return self.place / "home"

    @property
    def phone(self) -> Phone:
        return self.phones[0]

    async def start(self, step: str | None = None, n: int = 1) -> Gateway:
        """Start a gateway; with `step` it kills itself at the n-th passing."""
        gateway = self._spare or await self._load()
        self.started.append(gateway)
        order = {} if step is None else {"step": step, "n": n}
        assert gateway.process.stdin is not None
        await gateway.process.stdin.send(json.dumps(order).encode() + b"\n")
        self._spare = await self._load() if len(self.started) < self.gateways else None
        return gateway

    async def dies(self, gateway: Gateway) -> None:
        """Wait until a gateway has killed itself: it did so right after the last step that it told."""
        await gateway.died()
        self.deaths.append(gateway.steps[-1][1])

    async def kill(self, gateway: Gateway) -> None:
        """SIGKILL a gateway now."""
        self.deaths.append(time.monotonic())
        gateway.process.kill()
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
        gateways = [gateway.process.pid for gateway in (*self.started, self._spare) if gateway is not None]
        return left_of(self.place, (*gateways, os.getpid()))

    def clicker(self, phone: Phone, wanted: Callable[[Button], bool] | None = None) -> None:
        """From now on this person taps every button that lets things go on, each once."""
        self.tasks.start_soon(taps, phone, wanted or (lambda button: button.text.startswith(TAPPED)))

    async def _load(self) -> Gateway:
        log = self.place / f"gateway-{len(self.started)}-{time.monotonic_ns()}.log"
        with log.open("wb") as errors:
            process = await anyio.open_process(
                [sys.executable, "-m", "tests.crash.gateway_main"],
                cwd=REPOSITORY,
                env=self.environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        gateway = Gateway(process, log)
        self.tasks.start_soon(gateway.follow)
        return gateway

    async def end(self) -> None:
        """Nothing of the test runs on."""
        for gateway in (*self.started, self._spare):
            if gateway is not None:
                if gateway.process.returncode is None:
                    gateway.process.kill()
                    await gateway.process.wait()
                await gateway.process.aclose()
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
    gateways: int = 2,
    settings: Mapping[str, str] | None = None,
) -> AsyncGenerator[Machine]:
    """The stand-ins, and a home without a gateway yet. `limits`: its budgets; `gateways`: how many will be started; `settings`:
    more of its environment.
    """
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
            **budgets,
            **(settings or {}),
        }
        phones = [telegram.user(person, f"Person {person}") for person in OWNERS[:people]]
        async with anyio.create_task_group() as tasks:
            here = Machine(place, telegram, api, environ, phones, tasks, gateways)
            try:
                yield here
            finally:
                with anyio.CancelScope(shield=True):
                    await here.end()
                tasks.cancel_scope.cancel()
