"""Processes of agents as the system knows them: found again after a crash by pid and start time, or by a mark, and ended."""

import contextlib
import os
import signal
from pathlib import Path

import anyio

from gateway.agents import warden
from gateway.ports import AGENT_MARK, Process
from gateway.processes import stat_fields, told_by_ps

WIND_UP_S = 2 * warden.EXIT_LIMIT_S + warden.REAP_LIMIT_S
"""How long a warden may take beyond its grace to end everything."""
LOOK_EVERY_S = 0.02 if warden.ON_LINUX else 0.2
"""Where there is no /proc, each look starts a program."""
SWEEPS = 50


def started_at(pid: int) -> str | None:
    """The start time of a process as its system tells it; None: there is no such process (any more).

    Without /proc this starts a program and waits for it: not for the event loop.
    """
    if warden.ON_LINUX:
        fields = stat_fields(pid)
        return None if fields is None or fields[0] in {b"Z", b"X"} else fields[19].decode()
    # A warden whose gateway is gone winds up by itself: not to be sure of it costs its grace at most.
    return (told_by_ps(pid, "lstart=") or "").strip() or None


def is_alive(process: Process) -> bool:
    """The very process that was recorded still runs; a stranger with its pid does not count. Not for the event loop."""
    return bool(process.started) and started_at(process.pid) == process.started


async def _is_alive(process: Process) -> bool:
    return await anyio.to_thread.run_sync(is_alive, process)


async def end_left_behind(process: Process, grace_s: float) -> None:
    """After a crash: let the warden wind up by itself, then make it, then end whatever still carries its mark."""
    for number, limit in ((None, grace_s + WIND_UP_S), (signal.SIGKILL, 1.0)):
        if number is not None and await _is_alive(process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
        with anyio.move_on_after(limit):
            while await _is_alive(process):  # noqa: ASYNC110 - it is no child of ours: nobody tells us
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
    mark = f"{AGENT_MARK}={journal}".encode()
    found: list[int] = []
    entries = Path("/proc").iterdir() if warden.ON_LINUX else ()
    for entry in entries:
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found
