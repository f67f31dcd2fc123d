"""Gateways for the crash tests: each tells every durable step that it passes, and can be told to die at one.

Run as `python -m tests.crash.gateway_main` with one end of a stream socket as its standard input. It loads the gateway, which
takes as long as ten short lives of one, and then makes a process of its own of each order that comes: a line of JSON, `{"environ":
{...}, "step": ..., "n": ...}`, with two descriptors, the gateway's stdout and stderr. With a step it kills itself with SIGKILL at
the n-th passing of that. On its stdout stand lines of two words: `pid` and its number, then each step and the monotonic clock, and
in the end, whatever that was, `exit` and its code (negative: a signal).
"""

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gateway import app, config
from gateway.agents.claude.desk import client
from gateway.chats import telegram
from gateway.ports import TollbridgeError

BYTES_AT_ONCE = 64 * 1024


def narrator(step: str | None, n: int) -> Callable[[str], None]:
    """Tell each step; die at the n-th passing of `step`."""
    left = n

    def on_step(name: str) -> None:
        nonlocal left
        os.write(1, f"{name} {time.monotonic()}\n".encode())
        left -= name == step
        if name == step and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


def live(order: dict[str, Any]) -> int:
    """Run until told to stop, or killed. The chat's courtesy towards Telegram is left out: it would only make the tests slow."""
    os.environ.clear()
    os.environ.update(order["environ"])
    telegram.PRIVATE_SEND_GAP_MS = telegram.PRIVATE_EDIT_GAP_MS = 0
    client.CONFIRM_S = float(os.environ.get("TBTEST_CONFIRM_S") or client.CONFIRM_S)
    os.write(1, f"pid {os.getpid()}\n".encode())
    try:
        app.run_gateway(config.load(), chat="telegram", on_step=narrator(order.get("step"), order.get("n", 1)))
    except TollbridgeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def take_order(asks: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next gateway that is wanted, with the descriptors for it; None: nobody is there who could want one."""
    told, found = b"", list[int]()
    while not told.endswith(b"\n"):
        data, more, _, _ = socket.recv_fds(asks, BYTES_AT_ONCE, 2)
        if not data:
            return None
        told, found = told + data, found + more
    return json.loads(told), found


def tell_ends(living: dict[int, int]) -> None:
    """Say of each gateway that has ended how it ended."""
    for pid in list(living):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            told = living.pop(pid)
            with suppress(BrokenPipeError):
                os.write(told, f"exit {os.waitstatus_to_exitcode(status)}\n".encode())
            os.close(told)


def become(descriptors: list[int]) -> None:
    """In the new process: what it was told is its stdout and stderr, and nothing is left of where it comes from."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((null, *descriptors)):
        os.dup2(descriptor, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX") if sys.platform == "darwin" else 1024)


def main() -> int:
    """Make gateways until nobody is there who could want one; what lives then is killed."""
    asks = socket.socket(fileno=os.dup(0))
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
        pid = os.fork()
        if pid == 0:
            asks.detach()
            become(descriptors)
            return live(order)
        living[pid] = descriptors[0]
        os.close(descriptors[1])
    for pid in living:
        os.kill(pid, signal.SIGKILL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
