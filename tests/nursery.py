"""Where the tests' gateways and commands come from: one process that has loaded the program, and splits off each of them.

The program takes a second to load, and the tests start it a thousand times. What they start is a process of its own, with a pid, an
environment, a directory and files of its own; that it also starts from nothing is seen in tests/cli/test_fresh.py.
"""

import atexit
import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from gateway.ports import AGENT_MARK

REPOSITORY = Path(__file__).parents[1]
COMMAND = [sys.executable, "-W", "error", "-c", "from gateway.cli import main; main()"]
"""The program, started from nothing."""
LIMIT_S = 150


class Nursery:
    """The process that makes them (`tests.nursery_main`). It ends, with all that it made, when its socket is closed."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair()
        self._turn = threading.Lock()
        command = [sys.executable, "-m", "tests.nursery_main"]
        with theirs:
            self._process = subprocess.Popen(command, cwd=REPOSITORY, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)

    def bear(self, order: Mapping[str, object], stdin: int, stdout: int | None, stderr: int) -> int:
        """A new process with these files. The result is the end of a pipe on which stand its pid and how it ended; yours to close.

        Without a stdout, it is this pipe: what the process says stands between the two.
        """
        told, tells = os.pipe()
        try:
            line = json.dumps(order).encode() + b"\n"
            with self._turn:
                files = [tells, stdin, tells if stdout is None else stdout, stderr]
                sent = socket.send_fds(self._orders, [line], files)
                self._orders.sendall(line[sent:])
        except OSError:
            os.close(told)
            raise
        finally:
            os.close(tells)
        return told

    def close(self) -> None:
        """End it, and everything of it that still lives."""
        self._orders.close()
        self._process.wait()


@cache
def nursery() -> Nursery:
    """The one of this run; there is no more than one."""
    made = Nursery()
    atexit.register(made.close)
    return made


def start(words: Sequence[str], *, terminal: bool = False, **options: Any) -> subprocess.Popen[Any]:
    """`tollbridge` with these words; the options are Popen's. `terminal`: its stdin is the terminal of a session of its own.

    What is marked as an agent's starts from nothing: others read that in `/proc/PID/environ`, where what the nursery split off shows
    what the nursery was started with.
    """
    if AGENT_MARK not in options.get("env", ()):
        return Command(words, terminal=terminal, **options)
    if terminal:
        options |= {"start_new_session": True, "preexec_fn": partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0)}
    return subprocess.Popen([*COMMAND, *words], **options)


class Command(subprocess.Popen[Any]):
    """One that the nursery has split off, as Popen shows its own children."""

    def __init__(self, words: Sequence[str], *, terminal: bool = False, **options: Any) -> None:
        self._terminal = terminal
        self._told = -1
        self._reading = threading.Lock()
        super().__init__(list(words), **options)

    def _execute_child(self, words: list[str], *given: Any) -> None:
        """Popen's, with its pipes and files made: start the process, and close what is the process's alone."""
        cwd, environ, pipes, alone = given[4], given[5], given[9:15], given[20]
        order = {
            "make": "command",
            "words": words,
            "cwd": os.fspath(cwd or Path.cwd()),
            "environ": dict(os.environ if environ is None else environ),
            "alone": alone or self._terminal,
            "terminal": self._terminal,
        }
        theirs = [mine if mine != -1 else own for own, mine in enumerate((pipes[0], pipes[3], pipes[5]))]
        self._told = nursery().bear(order, *theirs)
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]
        word, pid = self._reads()
        assert word == "pid", (word, pid)
        self.pid = pid
        self._child_created = True

    def _reads(self) -> tuple[str, int]:
        """The next line of the nursery's: a word and its number."""
        line = b""
        while not line.endswith(b"\n"):
            part = os.read(self._told, 1)
            assert part, "the nursery has ended"
            line += part
        word, number = line.decode().split()
        return word, int(number)

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        with self._reading:
            if self.returncode is None and select.select([self._told], [], [], 0)[0]:
                self.returncode = self._reads()[1]
                os.close(self._told)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises TimeoutExpired."""
        with self._reading:
            watched = os.dup(self._told) if self.returncode is None else None
        if watched is not None:  # Whoever polls meanwhile may close the other.
            select.select([watched], [], [], timeout)
            os.close(watched)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code


def run(words: Sequence[str], *, said: str | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """`tollbridge` with these words, to its end. `said`: what it reads; None: nothing is there to read."""
    pipe = subprocess.PIPE
    with start(
        words, stdin=subprocess.DEVNULL if said is None else pipe, stdout=pipe, stderr=pipe, text=True, **options
    ) as process:
        try:
            out, errors = process.communicate(said, LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)
