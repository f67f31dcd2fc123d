"""Gateways for the crash tests: each tells every durable step that it passes, and can be told to die at one.

What is ordered of the nursery (`tests.nursery_main`): `{"make": "gateway", "environ": {...}, "step": ..., "n": ...}`. With a step it
kills itself with SIGKILL at the n-th passing of that. Its stdout is the nursery's pipe: between its pid and its end stand lines of
two words, each step and the monotonic clock.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from gateway import app, config
from gateway.agents.claude.desk import client
from gateway.chats import telegram
from gateway.ports import TollbridgeError


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
    try:
        app.run_gateway(config.load(), chat="telegram", on_step=narrator(order.get("step"), order.get("n", 1)))
    except TollbridgeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
