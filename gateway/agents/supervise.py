"""An agent's process as the gateway holds it: through its warden, which outlives the gateway by a few seconds at most.

The warden is found again by pid and start time; whatever it could not end carries a mark in its environment.
"""

import contextlib
import errno
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
from gateway.agents.left_behind import WIND_UP_S, end_left_behind, end_marked, is_alive, started_at
from gateway.ports import AGENT_MARK, AgentUnavailableError, Process

__all__ = ["GoneError", "Manners", "Supervised", "end_left_behind", "end_marked", "is_alive", "start", "started_at"]

OWN_PREFIX = "TOLLBRIDGE_"
SEND_LIMIT_S = 5.0
"""How long an agent may leave its input unread while a line waits to be written."""
STDERR_SHOWN = 2_000
STDERR_READ = 4 * STDERR_SHOWN


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
    given_up: anyio.Event = field(default_factory=anyio.Event)
    """It does not do its part: its warden was told to end it, and somebody has to see that it does."""

    async def send(self, line: str) -> None:
        """Write one line. Raises GoneError, also where the agent did not read for SEND_LIMIT_S: it is given up then."""
        with anyio.move_on_after(SEND_LIMIT_S):
            async with self._sending:
                await self._write(line.encode() + b"\n")
                return
        raise GoneError

    async def _write(self, data: bytes) -> None:
        if self.leaving:
            raise GoneError
        whole = False
        try:
            await self._stdin.send(data)
            whole = True
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise GoneError from error
        finally:
            if not whole:
                # Nothing can follow half a line, and nobody knows when the rest of it will be read.
                self.give_up()

    def give_up(self) -> None:
        """Have it ended; returns at once, and no answer reaches it any more. `close` is who waits for the end."""
        self.leaving = True
        self.given_up.set()
        self._signal(signal.SIGTERM)

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
            with stderr_of(Path(self.process.journal)).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - STDERR_READ))
                return file.read(STDERR_READ).decode(errors="replace")[-STDERR_SHOWN:].strip()
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
    await end_marked(str(journal))
    await anyio.to_thread.run_sync(_make_room, journal)
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
            env={**clean(environ), AGENT_MARK: str(journal)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise AgentUnavailableError(f"The agent cannot be started in {directory}: {why}") from error
    if child.stdin is None or child.stdout is None:
        raise AssertionError("both were asked for as pipes")
    started = None
    with anyio.CancelScope(shield=True):  # What was started has to be held by somebody.
        started = await anyio.to_thread.run_sync(started_at, child.pid)
    process = Process(session_id, child.pid, started or "", str(journal))
    return Supervised(process, manners.grace_s, child, child.stdin, child.stdout)


def _make_room(journal: Path) -> None:
    """A journal that can be written, and nothing of an earlier one. Raises AgentUnavailableError."""
    try:
        journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in (journal, stderr_of(journal)):
            leftover.unlink(missing_ok=True)
        os.close(os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise AgentUnavailableError(_no_journal(journal, error)) from error


def _no_journal(journal: Path, error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            remedy = "free some space there"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            remedy = "the gateway's user has to be able to write there"
        case _:
            remedy = "look at that directory"
    why = error.strerror or type(error).__name__
    return f"The gateway cannot keep the agent's journal in {journal.parent} ({why}): {remedy}, then try again"


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
        raise AgentUnavailableError(_no_journal(Path(process.journal), error)) from error


def stderr_of(journal: Path) -> Path:
    """Where the end of an agent's stderr is kept."""
    return journal.with_name(journal.name + ".stderr")


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what belongs to the gateway alone."""
    return {name: value for name, value in environ.items() if not name.startswith(OWN_PREFIX)}
