"""Which processes of a test's machine are alive, from /proc."""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gateway.agents.supervise import started_at


@dataclass(frozen=True, slots=True)
class Alive:
    """A process, told from a later one with the same pid by its start time."""

    pid: int
    started: str
    command: str


def left_of(place: Path, but: Collection[int] = ()) -> set[Alive]:
    """The processes whose environment, command line or directory names the place: wardens, clients, and their tools."""
    mark = str(place).encode()
    found: set[Alive] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in but:
            continue
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            told = (command, (entry / "environ").read_bytes(), bytes((entry / "cwd").readlink()))
            started = started_at(int(entry.name))
            if started is not None and any(mark in where for where in told):
                found.add(Alive(int(entry.name), started, command.replace(b"\0", b" ").decode(errors="replace")[:200]))
    return found
