"""One gateway process for the crash tests: it tells every durable step that it passes, and can be told to die at one.

Run as `python -m tests.crash.gateway_main`. It loads the gateway, then waits for a line of JSON on stdin: `{"step": ..., "n": ...}`
makes it kill itself with SIGKILL at the n-th passing of that step, `{}` lets it live. For each step it writes a line to stdout:
the step and the monotonic clock.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable

from gateway import app, config
from gateway.agents.claude.desk import client
from gateway.chats import telegram
from gateway.ports import TollbridgeError


def narrator(step: str | None, n: int) -> Callable[[str], None]:
    """Tell each step; die at the n-th passing of `step`."""
    left = n

    def on_step(name: str) -> None:
        nonlocal left
        os.write(sys.stdout.fileno(), f"{name} {time.monotonic()}\n".encode())
        left -= name == step
        if name == step and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


def main() -> int:
    """Run until told to stop, or killed. The chat's courtesy towards Telegram is left out: it would only make the tests slow."""
    telegram.PRIVATE_SEND_GAP_MS = telegram.PRIVATE_EDIT_GAP_MS = 0
    client.CONFIRM_S = float(os.environ.get("TBTEST_CONFIRM_S") or client.CONFIRM_S)
    order = json.loads(sys.stdin.readline() or "null")
    if order is None:
        return 0
    try:
        app.run_gateway(config.load(), chat="telegram", on_step=narrator(order.get("step"), order.get("n", 1)))
    except TollbridgeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
