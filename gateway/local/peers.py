"""Who is at the other end of the socket, as the kernel knows it: its process, those above it, its user, its terminal."""

import pwd
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.local.place import HAS_PROC
from gateway.ports import AGENT_MARK
from gateway.processes import stat_fields, told_by_ps

GENERATIONS_MAX: Final = 256
_MARK: Final = f"{AGENT_MARK}=".encode()
_UCRED: Final = struct.Struct("3i")  # pid, uid, gid: unix(7)
_SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID = 0, 1, 2  # <sys/un.h> of macOS
_XUCRED_BYTES: Final = 76


@dataclass(frozen=True, slots=True)
class Peer:
    """A process that has connected: its user's name, and its pid; 0 where the system does not tell."""

    user: str
    pid: int


@dataclass(frozen=True, slots=True)
class Family:
    """A process and those above it, from itself to the first one; empty where that cannot be found out. `terminal`: it has one.

    `marked`: one of them carries the mark of what agents start, though maybe no agent is above it any more: it was set adrift, or
    whoever looked after the agent was killed. Known only where there is /proc, and who clears the environment carries none.
    """

    lineage: tuple[int, ...]
    terminal: bool
    marked: bool = False


NO_FAMILY: Final = Family((), terminal=False)


def peer_of(connected: socket.socket) -> Peer:
    """Who has connected, at the moment when they did. Raises OSError."""
    if HAS_PROC:
        pid, uid, _ = _UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    else:
        pid = connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID)
        _, uid = struct.unpack_from("2I", connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_BYTES))
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"user {uid}"
    return Peer(user, pid)


def family_of(pid: int) -> Family:
    """The process and those above it. Not for the event loop: without /proc it starts programs."""
    lineage: list[int] = []
    terminal = marked = False
    while pid > 0 and len(lineage) < GENERATIONS_MAX:
        found = _from_proc(pid) if HAS_PROC else _from_ps(pid)
        if found is None:
            return NO_FAMILY
        parent, has_terminal = found
        terminal = terminal or (has_terminal and not lineage)
        marked = marked or _is_marked(pid)
        lineage.append(pid)
        pid = parent
    return Family(tuple(lineage), terminal, marked)


def _is_marked(pid: int) -> bool:
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes() if HAS_PROC else b""
    except OSError:  # another user's
        return False
    return any(one.startswith(_MARK) for one in environ.split(b"\0"))


def _from_proc(pid: int) -> tuple[int, bool] | None:
    """The parent's pid, and whether there is a controlling terminal."""
    fields = stat_fields(pid)
    return None if fields is None else (int(fields[1]), int(fields[4]) != 0)


def _from_ps(pid: int) -> tuple[int, bool] | None:
    words = (told_by_ps(pid, "ppid=,tty=") or "").split()
    return (int(words[0]), not words[1].startswith("?")) if len(words) == 2 and words[0].isdigit() else None  # noqa: PLR2004
