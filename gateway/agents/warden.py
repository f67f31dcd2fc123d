"""The warden: it stands between the gateway and one agent, so that neither can leave the other behind unseen.

Run by file path (`python -I -S -E warden.py --journal FILE ... -- command...`), it imports the standard library only and starts
in a few hundredths of a second. It hands lines from its stdin to the agent, and every line of the agent to a journal first and
to its stdout after that. When its stdin ends (the gateway closed it, or died of anything) or SIGTERM comes, it says farewell to
the agent, goes on writing the journal until the agent has wound up, and ends everything that the agent started. SIGUSR1 says
that the agent is idle: no farewell is needed. A second SIGTERM ends all at once. The agent dies with the warden on Linux.

An agent that did not take the farewell is killed with its stdin still open: to some, the end of their stdin is a yes to
everything they wait for.
"""

import argparse
import contextlib
import ctypes
import enum
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, cast

LINE_LIMIT = 32 * 1024 * 1024
"""Longer lines are replaced by a note that says how long they were."""
JOURNAL_LIMIT = 256 * 1024 * 1024
"""A larger journal takes only vital lines, and none at all at twice this size."""
STDERR_LIMIT = 128 * 1024
STDERR_KEPT = 32 * 1024
BUFFER_LIMIT = 4 * 1024 * 1024
"""How much may wait for a slow reader before its source is left waiting, too."""
BACKLOG_LIMIT = 64 * 1024 * 1024
"""At the end nobody is left waiting: what a slow gateway has not taken beyond this is in the journal only."""
CHUNK = 256 * 1024
QUIET_S = 1.0
"""An agent that is silent for so long after a farewell gets the next one."""
SETTLED_QUIET_S = 0.2
"""The same, once it has said that it took the farewell; after the last one it has wound up."""
EXIT_LIMIT_S = 2.0
"""How long the agent has to end by itself once its stdin is closed, and the gateway to read the last lines."""
REAP_LIMIT_S = 5.0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
NOT_STARTED = 127
ON_LINUX = sys.platform.startswith("linux")


class Stage(enum.Enum):
    """How far the end has come."""

    CARRYING = enum.auto()
    FAREWELL = enum.auto()
    CLOSED = enum.auto()
    OVER = enum.auto()


class Warden:
    """One run: spawn, carry lines, wind up, end everything. `run` returns the exit code for the process."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.vital = [mark.encode() for mark in options.vital]
        self.dropped = [mark.encode() for mark in options.drop]
        self.settled_marks = [mark.encode() for mark in options.settled]
        self.farewells: list[str] = list(options.farewell)
        self.journal = _open_private(Path(options.journal))
        self.stderr_file = _open_private(Path(options.journal + ".stderr"))
        # poll, unlike epoll, also takes the plain files that stdin and stdout may be in a shell.
        self.selector = selectors.PollSelector()
        self.to_client = bytearray()
        self.to_gateway = bytearray()
        self.from_gateway = Lines()
        self.from_client = Lines()
        self.gateway_reads = True
        self.stage = Stage.CARRYING
        self.deadline = 0.0
        self.quiet_since = 0.0
        self.settled = False
        self.asked_to_leave = 0
        self.told_idle = False

    def run(self) -> int:
        wake, woken = os.pipe()
        for end in (wake, woken):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(woken)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._leave)
        signal.signal(signal.SIGUSR1, self._idle)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        _become_subreaper()
        try:
            self.client = _spawn(self.options.command)
        except OSError as error:
            os.write(self.stderr_file, f"{self.options.command[0]}: {error.strerror}\n".encode())
            return NOT_STARTED
        self.stdin, self.stdout, self.stderr = (
            cast("IO[bytes]", pipe) for pipe in (self.client.stdin, self.client.stdout, self.client.stderr)
        )
        for fd in (0, 1, self.stdin.fileno(), self.stdout.fileno(), self.stderr.fileno()):
            os.set_blocking(fd, False)
        self.reading = {wake: self._wake, 0: self._read_gateway, self.stdout.fileno(): self._read_client}
        self.reading[self.stderr.fileno()] = self._read_stderr
        self.wake = wake
        try:
            while not self._over():
                self._turn()
        finally:
            end_descendants(self.client)
        self._flush_last()
        code = self.client.returncode
        return code if code is not None and code >= 0 else 128 - (code or -signal.SIGKILL)

    # -- one turn of the loop ---------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._watch()
        for key, mask in self.selector.select(0.05 if self.stage is not Stage.CARRYING else 0.5):
            if mask & selectors.EVENT_READ:
                handler = self.reading.get(key.fd)
                if handler is not None:
                    handler()
            if mask & selectors.EVENT_WRITE:
                self._write(key.fd)
        self._move_on()

    def _move_on(self) -> None:
        if self.stage is Stage.CARRYING:
            if self.told_idle:
                self._close()
            elif self.asked_to_leave:
                self._say_farewell()
        elif self.asked_to_leave > 1 or time.monotonic() >= self.deadline:
            self.stage = Stage.OVER
        elif self.stage is Stage.FAREWELL:
            quiet = time.monotonic() - self.quiet_since
            if self.settled and quiet >= SETTLED_QUIET_S and not self.farewells:
                self._close()
            elif self.farewells and quiet >= (SETTLED_QUIET_S if self.settled else QUIET_S):
                self._say_farewell()

    def _over(self) -> bool:
        if self.stage is Stage.OVER:
            return True
        if self.client.poll() is None:
            return False
        # It is gone; what it still said is read until its ends of the pipes close, or a straggler keeps them open in silence.
        drained = not {self.stdout.fileno(), self.stderr.fileno()} & self.reading.keys()
        return drained or time.monotonic() - self.quiet_since >= SETTLED_QUIET_S

    def _watch(self) -> None:
        """Look only at what can be handled now: that is how a slow end holds back a fast one."""
        wanted: dict[int, int] = {}
        for fd in self.reading:
            full = len(self.to_client) > BUFFER_LIMIT if fd == 0 else False
            if self.gateway_reads and self.stage is Stage.CARRYING and fd == self.stdout.fileno():
                full = len(self.to_gateway) > BUFFER_LIMIT
            if not full:
                wanted[fd] = selectors.EVENT_READ
        if self.to_gateway and self.gateway_reads:
            wanted[1] = selectors.EVENT_WRITE
        if self.to_client and not self.stdin.closed:
            wanted[self.stdin.fileno()] = selectors.EVENT_WRITE
        watched = dict(self.selector.get_map())
        for fd in watched.keys() - wanted.keys():
            self.selector.unregister(fd)
        for fd, mask in wanted.items():
            if fd in watched:
                self.selector.modify(fd, mask)
            else:
                self.selector.register(fd, mask)

    def _say_farewell(self) -> None:
        """The next farewell; the time for all of them together is limited."""
        if self.stage is Stage.CARRYING:
            self.stage = Stage.FAREWELL
            self.deadline = time.monotonic() + self.options.grace
        self.quiet_since = time.monotonic()
        self.settled = False
        if self.farewells:
            self.to_client += self.farewells.pop(0).encode() + b"\n"
        else:
            self._close()

    def _close(self) -> None:
        """It has nothing left to do: the end of its stdin lets it go in good order."""
        self.stage = Stage.CLOSED
        self.deadline = time.monotonic() + EXIT_LIMIT_S
        with contextlib.suppress(OSError):
            self.stdin.close()

    def _leave(self, *_: object) -> None:
        self.asked_to_leave += 1

    def _idle(self, *_: object) -> None:
        self.told_idle = True

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 4096)

    # -- from and to the gateway ------------------------------------------------------------------------------------

    def _read_gateway(self) -> None:
        data = _read(0)
        if data is None:
            return
        for line in self.from_gateway.feed(data):
            if self.stage is Stage.CARRYING:
                self.to_client += line
        if not data:
            del self.reading[0]
            self.asked_to_leave += self.stage is Stage.CARRYING

    def _write(self, fd: int) -> None:
        waiting = self.to_gateway if fd == 1 else self.to_client
        try:
            del waiting[: os.write(fd, memoryview(bytes(waiting[:CHUNK])))]
        except BlockingIOError:
            return
        except OSError:
            waiting.clear()
            if fd == 1:
                self.gateway_reads = False
            else:
                self.stdin.close()

    def _flush_last(self) -> None:
        """What the gateway has not taken yet; it is in the journal, so a gateway that does not read is not waited for long."""
        limit = time.monotonic() + EXIT_LIMIT_S
        while self.to_gateway and self.gateway_reads and time.monotonic() < limit:
            before = len(self.to_gateway)
            self._write(1)
            if len(self.to_gateway) == before:
                time.sleep(0.01)

    # -- from the agent ---------------------------------------------------------------------------------------------

    def _read_client(self) -> None:
        data = _read(self.stdout.fileno())
        if data is None:
            return
        if not data:
            del self.reading[self.stdout.fileno()]
        else:
            self.quiet_since = time.monotonic()
        for line in self.from_client.feed(data):
            self._record(line)
            if self.gateway_reads and len(self.to_gateway) <= BACKLOG_LIMIT:
                self.to_gateway += line
            if self.stage is Stage.FAREWELL and any(mark in line for mark in self.settled_marks):
                self.settled = True

    def _record(self, line: bytes) -> None:
        if any(mark in line for mark in self.dropped):
            return
        # The gateway truncates the journal between prompts: the size is what the system says, not what was counted.
        size = os.fstat(self.journal).st_size
        if size > JOURNAL_LIMIT and (size > 2 * JOURNAL_LIMIT or not any(mark in line for mark in self.vital)):
            return
        _write_all(self.journal, line)

    def _read_stderr(self) -> None:
        data = _read(self.stderr.fileno())
        if data is None:
            return
        if not data:
            del self.reading[self.stderr.fileno()]
            return
        _write_all(self.stderr_file, data)
        size = os.fstat(self.stderr_file).st_size
        if size > STDERR_LIMIT:
            tail = os.pread(self.stderr_file, STDERR_KEPT, size - STDERR_KEPT)
            os.ftruncate(self.stderr_file, 0)
            _write_all(self.stderr_file, tail)


class Lines:
    """Bytes become whole lines, their ends included; what has no end at the end of the stream is no line and is left out."""

    def __init__(self) -> None:
        self._open = bytearray()
        self._skipped = 0

    def feed(self, data: bytes) -> list[bytes]:
        lines: list[bytes] = []
        *whole, rest = data.split(b"\n")
        for part in whole:
            self._add(part)
            lines.append(self._take())
        self._add(rest)
        return lines

    def _add(self, part: bytes) -> None:
        if self._skipped or len(self._open) + len(part) > LINE_LIMIT:
            self._skipped += len(self._open) + len(part)
            self._open.clear()
        else:
            self._open += part

    def _take(self) -> bytes:
        line = bytes(self._open) + b"\n"
        if self._skipped:
            line = b'{"type":"tollbridge_line_too_long","bytes":%d}\n' % self._skipped
        self._open.clear()
        self._skipped = 0
        return line


def _open_private(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _read(fd: int) -> bytes | None:
    """Up to a chunk; empty at the end of the stream (or what amounts to it); None: nothing there after all."""
    try:
        return os.read(fd, CHUNK)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _write_all(fd: int, data: bytes) -> None:
    """A full disk must not stop the agent from being carried and ended: what does not fit is lost here, not there."""
    view = memoryview(data)
    with contextlib.suppress(OSError):
        while view:
            view = view[os.write(fd, view) :]


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    libc = ctypes.CDLL(None, use_errno=True) if ON_LINUX else None

    def die_with_parent() -> None:
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(NOT_STARTED)

    return subprocess.Popen(  # noqa: S603 - the command is the user's own agent
        command,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread
    )


def _become_subreaper() -> None:
    if ON_LINUX:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def end_descendants(client: subprocess.Popen[bytes]) -> None:
    """Kill whatever the agent left: its process group, and on Linux everything that has become a child of this process."""
    limit = time.monotonic() + REAP_LIMIT_S
    while time.monotonic() < limit:
        _signal_group(client.pid, signal.SIGKILL)
        for pid in descendants(os.getpid()) if ON_LINUX else ():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        # Popen has to learn its own child's code before the rest is waited for.
        if client.poll() is not None:
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
        time.sleep(0.01)


def descendants(root: int) -> list[int]:
    """The pids below `root`, from /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    below = children.get(root, [])
    while below:
        found += below
        below = [grandchild for pid in below for grandchild in children.get(pid, [])]
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="warden", allow_abbrev=False)
    parser.add_argument("--journal", required=True, help="where every line of the agent is written, 0600")
    parser.add_argument(
        "--farewell", action="append", default=[], help="what the agent is told when the gateway is gone, in turn"
    )
    parser.add_argument("--grace", type=float, default=5.0, help="seconds that the agent has to wind up")
    parser.add_argument(
        "--settled", action="append", default=[], help="a line holding this says that a farewell was taken"
    )
    parser.add_argument("--drop", action="append", default=[], help="a line holding this is not journalled")
    parser.add_argument(
        "--vital", action="append", default=[], help="a line holding this is journalled beyond the limit"
    )
    parser.add_argument("command", nargs="+")
    return Warden(parser.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
