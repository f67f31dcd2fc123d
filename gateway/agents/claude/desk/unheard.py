"""Sessions without Tollbridge that began while no gateway could be told: their hooks wrote it down in its home, a line of JSON each.

The writer is mcp_servers/relay.py. Nothing here is for the event loop.
"""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationError

from gateway import clock
from gateway.agents.claude.counts import Id, Wire
from gateway.agents.claude.wire import PathName
from gateway.domain.place import UNMETERED_MAX, Unmetered

FILE: Final = "unmetered.jsonl"
TAKEN: Final = f"{FILE}.taken"
"""Where the file is while it is read, so that hooks begin a new one."""
BYTES_MAX: Final = 1024 * 1024
"""Hooks do not write more."""


class NoFileError(Exception):
    """What stands in the file's place is something else: nothing in it can ever be read."""


class _Line(Wire):
    session: Annotated[Id, Field(min_length=1)]
    directory: PathName = ""
    at_ms: Annotated[int, Field(ge=0, strict=True)]


@dataclass(frozen=True, slots=True)
class Unheard:
    """The latest sessions of a file, each once, the oldest first, and how much of it could not be read: in lines."""

    sessions: tuple[Unmetered, ...]
    bad: int


def take(home: Path, now_ms: int) -> Unheard | None:
    """What was written down, moved aside until it is `done` with; None: nothing was. What an earlier gateway had taken comes first.

    Raises NoFileError, and OSError for what cannot be read now.
    """
    taken = home / TAKEN
    if not os.path.lexists(taken):
        try:
            (home / FILE).rename(taken)
        except FileNotFoundError:
            return None
    return read(_bytes(taken), now_ms)


def done(home: Path) -> None:
    """What was taken is kept elsewhere, or is no file: a directory that holds something gets another name. Raises OSError."""
    taken = home / TAKEN
    if taken.is_symlink() or not taken.is_dir():
        taken.unlink(missing_ok=True)
        return
    try:
        taken.rmdir()
    except OSError:
        taken.rename(home / f"{FILE}.{clock.new_id('no-file')}")


def read(data: bytes, now_ms: int) -> Unheard:
    """What the lines say. No session began later than now, whatever its clock said."""
    lines = [line for line in data[:BYTES_MAX].split(b"\n") if line.strip()]
    good = list(_good(lines, now_ms))
    found: dict[str, Unmetered] = {}
    for one in good:
        found[one.session] = one.merged(found[one.session]) if one.session in found else one
    latest = sorted(found.values(), key=lambda one: one.last_ms)[-UNMETERED_MAX:]
    return Unheard(tuple(latest), len(lines) - len(good) + (len(data) > BYTES_MAX))


def _good(lines: Iterable[bytes], now_ms: int) -> Iterable[Unmetered]:
    for line in lines:
        try:
            told = _Line.model_validate_json(line)
        except ValidationError:
            continue
        at_ms = min(told.at_ms, now_ms)
        yield Unmetered(told.session, told.directory, at_ms, at_ms)


def _bytes(path: Path) -> bytes:
    """At most a byte more than is read."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise NoFileError(f"{path} is no file")
    found = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise NoFileError(f"{path} is no file")
        with os.fdopen(found, "rb", closefd=False) as file:
            return file.read(BYTES_MAX + 1)
    finally:
        os.close(found)
