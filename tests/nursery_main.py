"""The process that gateways and commands of the tests are split off from (see `tests.nursery`).

Run as `python -m tests.nursery_main` with one end of a stream socket as its standard input. It loads the program, which takes as long
as ten short lives of it, and then makes a process of its own of each order that comes: a line of JSON, `{"make": "gateway", ...}`
(tests/crash/gateway_main.py) or `{"make": "command", "words": [...], "environ": {...}, "cwd": ..., "alone": ..., "terminal": ...}`,
with four descriptors: a pipe, and the process's stdin, stdout and stderr. On the pipe stand lines of two words: `pid` and its number,
and in the end, whatever that was, `exit` and its code (negative: a signal).
"""

import fcntl
import gc
import json
import locale
import os
import pkgutil
import select
import signal
import socket
import sys
import termios
import threading
import time
import warnings
from contextlib import suppress
from importlib import import_module
from typing import Any, TextIO, cast

from gateway import cli
from tests.crash import gateway_main
from tests.nursery import REPOSITORY

BYTES_AT_ONCE = 64 * 1024
FILES_MAX = 4
STDERR = 2
LATER = ("alembic.command", "anyio._backends._asyncio", "genai_prices.data", "httpcore")
"""Libraries that a gateway loads only once it opens its ledger, asks a price, or runs."""


def load() -> None:
    """All that a command may load while it works. Of that no thread, no descriptor and no state is left."""
    for name in (*(f"gateway.cli.{module.name}" for module in pkgutil.iter_modules(cli.__path__)), *LATER):
        import_module(name)
    gc.collect()
    gc.freeze()  # the processes share its pages as long as nobody counts in them


def command(order: dict[str, Any]) -> int:
    """Be `python -W error -c "from gateway.cli import main; main()"`, as far as anybody can see from outside."""
    os.environ.clear()
    os.environ.update(order["environ"])
    os.chdir(order["cwd"])
    if order["alone"]:
        os.setsid()
    if order["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    time.tzset()
    with suppress(locale.Error):
        locale.setlocale(locale.LC_CTYPE, "")
    warnings.simplefilter("error")
    sys.argv = ["-c", *order["words"]]
    sys.path[:1] = ["", str(REPOSITORY)]
    sys.stdin = sys.__stdin__ = as_python_does(0, "r", sys.stdin)
    sys.stdout = sys.__stdout__ = as_python_does(1, "w", sys.stdout)
    sys.stderr = sys.__stderr__ = as_python_does(2, "w", sys.stderr)
    cli.main()
    return 0


def as_python_does(number: int, mode: str, before: TextIO) -> TextIO:
    """A standard stream over what this descriptor is now: by lines where that is a terminal, and for stderr."""
    lines = 1 if number == STDERR else -1
    words = {"encoding": before.encoding, "errors": before.errors, "newline": "\n"}
    return cast("TextIO", open(number, mode, lines, closefd=False, **words))


MAKES = {"gateway": gateway_main.live, "command": command}


def take_order(asks: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next process that is wanted, with the descriptors for it; None: nobody is there who could want one."""
    told, found = b"", list[int]()
    while not told.endswith(b"\n"):
        data, more, _, _ = socket.recv_fds(asks, BYTES_AT_ONCE, FILES_MAX)
        if not data:
            return None
        told, found = told + data, found + more
    return json.loads(told), found


def tell_ends(living: dict[int, int]) -> None:
    """Say of each process that has ended how it ended."""
    for pid in list(living):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            told = living.pop(pid)
            with suppress(BrokenPipeError):
                os.write(told, f"exit {os.waitstatus_to_exitcode(status)}\n".encode())
            os.close(told)


def become(descriptors: list[int]) -> None:
    """In the new process: what came with its order are its stdin, stdout and stderr, and nothing is left of where it comes from."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    tells, *files = descriptors
    os.write(tells, f"pid {os.getpid()}\n".encode())
    for number, descriptor in enumerate(files):
        os.dup2(descriptor, number)
    os.closerange(len(files), os.sysconf("SC_OPEN_MAX") if sys.platform == "darwin" else 1024)


def main() -> int:
    """Make processes until nobody is there who could want one; what lives then is killed."""
    asks = socket.socket(fileno=os.dup(0))
    load()
    changed, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    living: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([asks, changed], [], [])
        if changed in ready:
            os.read(changed, BYTES_AT_ONCE)
            tell_ends(living)
        if asks not in ready:
            continue
        if (taken := take_order(asks)) is None:
            break
        order, descriptors = taken
        assert threading.active_count() == 1, threading.enumerate()
        pid = os.fork()
        if pid == 0:
            asks.detach()
            become(descriptors)
            return MAKES[order["make"]](order)
        living[pid] = descriptors[0]
        for descriptor in descriptors[1:]:
            os.close(descriptor)
    for pid in living:
        os.kill(pid, signal.SIGKILL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
