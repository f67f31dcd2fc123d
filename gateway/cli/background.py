"""A gateway behind the terminal: started so that nothing of the terminal holds it, and stopped by its lock's word for who it is."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway import lock, logs
from gateway.cli.terminal import say
from gateway.local import client
from gateway.local.client import NoAnswerError, NobodyThereError
from gateway.ports import TollbridgeError
from gateway.processes import is_there

START_S: Final = 60.0
STOP_S: Final = 60.0
"""What is under way is settled before it ends."""
LOOK_EVERY_S: Final = 0.1
TOLD_BYTES: Final = 4_000


class BackgroundError(TollbridgeError):
    """The gateway could not be started or stopped; the message says why."""


def require_no_chat(chat: str) -> None:
    """Raises BackgroundError for the chat that is this terminal."""
    if chat == "console":
        raise BackgroundError("the console is this terminal: leave --background or --chat console out")


def start(home: Path, log: Path | None) -> None:
    """Start a gateway and wait until it answers. Raises BackgroundError with what it said, LockedError, OSError."""
    pid = lock.holder(lock.make_home(home))
    if pid is not None:
        raise lock.LockedError(home, pid or None)
    log = log or home / logs.FILE
    told = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        before = os.fstat(told).st_size
        command = [sys.executable, "-P", "-m", "gateway", "up", "--log", str(log.absolute())]
        process = subprocess.Popen(  # noqa: S603 - this program itself
            command, stdin=subprocess.DEVNULL, stdout=told, stderr=told, start_new_session=True
        )
        until = time.monotonic() + START_S
        while not _answers(home):
            if process.poll() is not None:
                said = os.pread(told, TOLD_BYTES, before).decode("utf-8", "replace")
                raise BackgroundError(_words(said) or f"the gateway ended at once: look at {log}")
            if time.monotonic() >= until:
                raise BackgroundError(f"the gateway (process {process.pid}) does not answer yet: look at {log}")
            time.sleep(LOOK_EVERY_S)
    finally:
        os.close(told)
    process.returncode = 0  # it goes on without us, and nobody need wait for it
    say(f"The gateway runs (process {process.pid}) and logs to {log}. `tollbridge down` stops it.")


def stop(home: Path) -> None:
    """Stop the home's gateway and wait until it is gone. Raises BackgroundError."""
    pid = lock.holder(home)
    if pid is None:
        say(f"No Tollbridge gateway is running (home: {home}).")
        return
    if not pid:
        raise BackgroundError(f"the gateway's process is not known: look for it with `lsof {home / lock.LOCK_FILE}`")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + STOP_S
    while lock.holder(home) == pid or is_there(pid):
        if time.monotonic() >= until:
            raise BackgroundError(f"the gateway (process {pid}) has not ended yet: look at its log")
        time.sleep(LOOK_EVERY_S)
    say(f"The gateway (process {pid}) has stopped.")


def _answers(home: Path) -> bool:
    try:
        client.ask(home, "GET", "/", patience_s=1.0)
    except (NobodyThereError, NoAnswerError):
        return False
    return True


def _words(said: str) -> str:
    """The sentence with which it ended."""
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1].removeprefix("tollbridge: ") if lines else ""
