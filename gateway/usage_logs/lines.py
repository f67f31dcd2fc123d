"""What readers of logs share: the whole new lines of a file that grows, a file that is rewritten as a whole, and what a value can mean.

Everything here was written by another program, perhaps while it crashed, perhaps by somebody who wishes to harm.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from errno import EINVAL
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, Self, TypeVar

import msgspec

from gateway.domain.logged import LoggedCall, LogRead, Mark

LONGEST_LINE: Final = 64 << 20
LARGEST_FILE: Final = 256 << 20
"""Bytes of a file that is read as a whole."""
MOST_TOKENS: Final = 10**8
"""Of one class in one call; more was never told by a model."""
UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoding hostile JSON, and `count`, may raise."""
_MOST_FILES: Final = 1_000_000
_CHUNK: Final = 256 << 10
_HEAD: Final = 1024
_TAIL: Final = 4096
_LONGEST_TEXT: Final = 512
_LONGEST_TIME: Final = 40
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_MS: Final = 1_577_836_800_000  # 2020-01-01: before any of these agents
_LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01
_ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
_Told = TypeVar("_Told")
_BOM: Final = b"\xef\xbb\xbf"


class Growing(AbstractContextManager["Growing"]):
    """One look at a file of lines to which somebody adds: its whole new lines, once, and the mark from which the next look goes on.

    Raises OSError where it cannot be read or is no regular file.
    """

    def __init__(self, path: str, since: Mark | None) -> None:
        self._file = open_regular(path)
        self._stat = os.fstat(self._file.fileno())
        self.resumed = since is not None and self._is_same(since)
        """Whether only what was added since the mark is read; else all of it."""
        self.state = since.state if since is not None and self.resumed else ""
        self.records = 0
        self.unreadable = 0
        self._offset = since.offset if since is not None and self.resumed else 0

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def lines(self) -> Iterator[bytes]:
        """The new lines that may be JSON objects; what cannot be one is counted as unreadable. An unfinished last line is left."""
        for whole in self._split():
            line = whole.strip()
            if not line:
                continue
            self.records += 1
            if line.startswith(b"{") and line.endswith(b"}") and b"\0" not in line:
                yield line
            else:
                self.unreadable += 1

    def read(self, calls: tuple[LoggedCall, ...], copies: int, state: str) -> LogRead:
        """What this look gave, once its lines were taken."""
        head = digest(self._file, 0, min(_HEAD, self._offset))
        found = self._stat
        mark = Mark(found.st_dev, found.st_ino, head, found.st_size, self._offset, state)
        return LogRead(calls, mark, self.records, self.unreadable, copies)

    def _is_same(self, since: Mark) -> bool:
        found = self._stat
        if (found.st_dev, found.st_ino) != (since.device, since.inode) or found.st_size < since.size:
            return False
        return digest(self._file, 0, min(_HEAD, since.offset)) == since.head

    def _split(self) -> Iterator[bytes]:
        """Lines as they stand. The offset is moved behind a line when it was handed out."""
        rest, at = [], self._offset  # parts of a line whose end is still to come, and how far the file was read
        held, skipping = 0, False
        if at == 0 and digest(self._file, 0, len(_BOM)) == _BOM_DIGEST:
            at = len(_BOM)
        self._file.seek(at)
        while at < self._stat.st_size:
            chunk = self._file.read(min(_CHUNK, self._stat.st_size - at))
            if not chunk:
                break
            at += len(chunk)
            end = chunk.rfind(b"\n")
            if end < 0:
                held += len(chunk)
                skipping = skipping or held > LONGEST_LINE
                rest = [] if skipping else [*rest, chunk]
                continue
            first, *others = chunk[:end].split(b"\n")
            if skipping:
                self.records += 1
                self.unreadable += 1
            else:
                yield b"".join((*rest, first))
            yield from others
            self._offset = at - len(chunk) + end + 1
            rest, held, skipping = [chunk[end + 1 :]], len(chunk) - end - 1, False


def open_regular(path: str) -> BinaryIO:
    """The file, to be read; a pipe or a device is an OSError instead of a wait without end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(EINVAL, "not a regular file", path)
    return os.fdopen(descriptor, "rb", buffering=0)


def whole_file(path: str, since: Mark | None) -> tuple[bytes | None, Mark]:
    """All bytes of a file that is always rewritten as a whole, None where it is as it was then; and the mark of now. Raises OSError.

    One beyond 256 MB is given as nothing.
    """
    with open_regular(path) as file:
        found = os.fstat(file.fileno())
        size = found.st_size
        tail = digest(file, max(0, size - _TAIL), _TAIL)
        mark = Mark(found.st_dev, found.st_ino, digest(file, 0, _HEAD), size, size, tail)
        if mark == since:
            return None, mark
        file.seek(0)
        return (b"" if size > LARGEST_FILE else read_exactly(file, size)).removeprefix(_BOM), mark


def read_exactly(file: BinaryIO, size: int) -> bytes:
    """So many bytes from here, fewer at the end of the file."""
    parts: list[bytes] = []
    while size > 0 and (part := file.read(min(size, _CHUNK))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def digest(file: BinaryIO, start: int, size: int) -> str:
    """What tells these bytes from others."""
    file.seek(start)
    return blake2b(read_exactly(file, size), digest_size=16).hexdigest()


_BOM_DIGEST: Final = blake2b(_BOM, digest_size=16).hexdigest()


def below(place: str, wanted: Callable[[str, str], bool]) -> Iterator[str]:
    """The files below a folder that are wanted by their folder and name, in order; at most a million are looked at. Links to folders are not followed."""

    def found() -> Iterator[tuple[str, str]]:
        for folder, folders, names in os.walk(place):
            folders.sort()
            for name in sorted(names):
                yield folder, name

    for folder, name in islice(found(), _MOST_FILES):
        if wanted(folder, name):
            yield str(Path(folder, name))


def decoded(decoder: msgspec.json.Decoder[_Told], data: bytes) -> _Told:
    """What the JSON says. Programs in JavaScript cut a text within a character and write half of it, which no decoder takes: it is
    replaced. Raises what `UNREADABLE` says.
    """
    try:
        return decoder.decode(data)
    except msgspec.DecodeError:
        mended = _ESCAPES.sub(lambda found: b"\\ufffd" if found["half"] else found[0], data)
        if mended == data:
            raise
        return decoder.decode(mended)


def text(value: object, longest: int = _LONGEST_TEXT) -> str:
    """The value where it is a text that can be a name, and be written; else nothing."""
    if not isinstance(value, str) or len(value) > longest or "\0" in value:
        return ""
    return value if value.isascii() else value.encode(errors="ignore").decode()


def count(value: object, most: int = MOST_TOKENS) -> int:
    """How many tokens the value says; none where it says nothing. Raises ValueError for what no model can have told."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError("not a count of tokens")
    return value


def moment(value: object) -> int | None:
    """Milliseconds since 1970 of an ISO time or of such a number, where it lies in the years of these agents."""
    if isinstance(value, str) and len(value) <= _LONGEST_TIME:
        try:
            told = datetime.fromisoformat(value)
            at_ms = ((told if told.tzinfo else told.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)
        except (ValueError, OverflowError):
            return None
    elif isinstance(value, int | float) and not isinstance(value, bool) and _EARLIEST_MS <= value < _LATEST_MS:
        at_ms = int(value)
    else:
        return None
    return at_ms if _EARLIEST_MS <= at_ms < _LATEST_MS else None
