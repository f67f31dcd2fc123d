"""An agent's process as the gateway holds it: through its warden, which outlives the gateway by a few seconds at most.

The warden is found again by pid and start time; whatever it could not end carries a mark in its environment.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream
from anyio.abc import Process as ChildProcess

from gateway.agents import warden
from gateway.ports import AgentUnavailableError, Process

MARK = "TOLLBRIDGE_AGENT"
"""In the environment of everything that an agent starts: the path of its session's journal."""
OWN_PREFIX = "TOLLBRIDGE_"
WIND_UP_S = 2 * warden.EXIT_LIMIT_S + warden.REAP_LIMIT_S
"""How long a warden may take beyond its grace to end everything."""
STDERR_SHOWN = 2_000
LOOK_EVERY_S = 0.02
SWEEPS = 50


class GoneError(Exception):
    """The agent's process is gone; nothing can be sent to it."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a warden treats one kind of agent; the marks are substrings of its lines.

    `farewell`: what it is told when the gateway is gone, line after line. `settled`: lines that say that it took one. `drop`:
    lines the journal can do without. `vital`: lines that it takes even beyond its size limit.
    """

    farewell: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    vital: tuple[str, ...] = ()
    grace_s: float = 5.0

    def options(self) -> list[str]:
        """As the warden's command line has them."""
        marks = {"farewell": self.farewell, "settled": self.settled, "drop": self.drop, "vital": self.vital}
        return [f"--grace={self.grace_s}"] + [f"--{name}={mark}" for name, of in marks.items() for mark in of]


@dataclass(slots=True)
class Supervised:
    """A running agent: lines in, lines out, one end."""

    process: Process
    grace_s: float
    _child: ChildProcess
    _stdin: ByteSendStream
    _stdout: ByteReceiveStream
    _sending: anyio.Lock = field(default_factory=anyio.Lock)
    leaving: bool = False
    """It has ended, or is being ended: nothing more is taken."""

    async def send(self, line: str) -> None:
        """Write one line. Raises GoneError."""
        async with self._sending:
            if self.leaving:
                raise GoneError
            try:
                await self._stdin.send(line.encode() + b"\n")
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                raise GoneError from error

    async def lines(self) -> AsyncIterator[bytes]:
        """What the agent says, line by line, until it is gone."""
        whole = warden.Lines()
        while True:
            try:
                data = await self._stdout.receive(warden.CHUNK)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
            for line in whole.feed(data):
                yield line

    async def wait(self) -> int:
        """Its exit code, once it is gone; 128 and the signal for one that was killed."""
        code = await self._child.wait()
        return code if code >= 0 else 128 - code

    def stderr(self) -> str:
        """The end of what it wrote to stderr."""
        try:
            return Path(self.process.journal + ".stderr").read_text(errors="replace")[-STDERR_SHOWN:].strip()
        except OSError:
            return ""

    async def close(self, *, idle: bool) -> None:
        """End it and everything it started; unless it is `idle` it is told to stop first. Idempotent, limited in time."""
        with anyio.CancelScope(shield=True):
            self.leaving = True
            if idle:
                self._signal(signal.SIGUSR1)
            else:
                with contextlib.suppress(OSError):
                    await self._stdin.aclose()
            with anyio.move_on_after(WIND_UP_S + (0 if idle else self.grace_s)) as patience:
                await self._child.wait()
            if patience.cancelled_caught:
                await self.kill()
            await end_marked(self.process.journal)

    async def kill(self) -> None:
        """End it at once, with everything it started."""
        with anyio.CancelScope(shield=True):
            self.leaving = True
            self._signal(signal.SIGKILL)
            await self._child.wait()
            await end_marked(self.process.journal)

    async def release(self) -> None:
        """Give back the pipes once it is gone."""
        await self._stdout.aclose()
        with contextlib.suppress(OSError):
            await self._stdin.aclose()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(number)


async def start(
    command: Sequence[str],
    *,
    session_id: str,
    directory: str,
    environ: Mapping[str, str],
    journal: Path,
    manners: Manners,
) -> Supervised:
    """Start a warden and, through it, `command`. Raises AgentUnavailableError if the system does not let us."""
    journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    await end_marked(str(journal))
    for leftover in (journal, stderr_of(journal)):
        leftover.unlink(missing_ok=True)
    program = [
        sys.executable,
        "-I",
        "-S",
        "-E",
        warden.__file__,
        f"--journal={journal}",
        *manners.options(),
        "--",
        *command,
    ]
    try:
        child = await anyio.open_process(
            program,
            cwd=directory,
            env={**clean(environ), MARK: str(journal)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise AgentUnavailableError(f"The agent cannot be started in {directory}: {error.strerror}") from error
    if child.stdin is None or child.stdout is None:
        raise AssertionError("both were asked for as pipes")
    process = Process(session_id, child.pid, started_at(child.pid) or "", str(journal))
    return Supervised(process, manners.grace_s, child, child.stdin, child.stdout)


async def mark(process: Process, line: str, *, truncate: bool) -> None:
    """Write a line of the gateway's own into the journal; `truncate`: all before it has been read and is of no more use.

    Raises AgentUnavailableError.
    """

    def write() -> None:
        with Path(process.journal).open("ab") as file:
            if truncate:
                file.truncate(0)
            file.write(line.encode() + b"\n")

    try:
        await anyio.to_thread.run_sync(write)
    except OSError as error:
        raise AgentUnavailableError(f"The journal {process.journal} cannot be written: {error.strerror}") from error


def stderr_of(journal: Path) -> Path:
    """Where the end of an agent's stderr is kept."""
    return journal.with_name(journal.name + ".stderr")


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what belongs to the gateway alone."""
    return {name: value for name, value in environ.items() if not name.startswith(OWN_PREFIX)}


def started_at(pid: int) -> str | None:
    """The start time of a process as its system tells it; None: there is no such process (any more)."""
    if warden.ON_LINUX:
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        return None if fields[0] in {b"Z", b"X"} else fields[19].decode()
    told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return told.stdout.strip() or None


def is_alive(process: Process) -> bool:
    """The very process that was recorded still runs; a stranger with its pid does not count."""
    return bool(process.started) and started_at(process.pid) == process.started


async def end_left_behind(process: Process, grace_s: float) -> None:
    """After a crash: let the warden wind up by itself, then make it, then end whatever still carries its mark."""
    for number, limit in ((None, grace_s + WIND_UP_S), (signal.SIGKILL, 1.0)):
        if number is not None and is_alive(process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
        with anyio.move_on_after(limit):
            while is_alive(process):  # noqa: ASYNC110 - it is no child of ours: nobody tells us
                await anyio.sleep(LOOK_EVERY_S)
            break
    await end_marked(process.journal)


async def end_marked(journal: str) -> None:
    """Kill every process that carries the mark of this journal; Linux only, elsewhere the warden's own end has to do."""
    for _ in range(SWEEPS):
        left = await anyio.to_thread.run_sync(_marked, journal)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await anyio.sleep(LOOK_EVERY_S)


def _marked(journal: str) -> list[int]:
    mark = f"{MARK}={journal}".encode()
    found: list[int] = []
    entries = Path("/proc").iterdir() if warden.ON_LINUX else ()
    for entry in entries:
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found
