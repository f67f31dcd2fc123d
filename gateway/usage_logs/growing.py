"""A log that lines are appended to: read on from where it was read last, in large blocks of whole lines."""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from gateway.domain.logged import LogRead, Mark, Row
from gateway.usage_logs.files import open_regular

BLOCK: Final = 256 * 1024
LINE_MAX: Final = 64 * 1024 * 1024
"""A longer line is passed over: no agent writes one."""
HEAD: Final = 1024
_IN_LONG: Final = "long"
"""So begins what a mark remembers that stands within a line which is too long."""
_BOM: Final = b"\xef\xbb\xbf"


class Unpacking(Protocol):
    """What gives the bytes of a file that is packed, in order. `broken`: there was more, and it could not be unpacked."""

    broken: bool

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end."""
        ...


class Growing:
    """One look at such a file: its whole new lines, once, and the mark from which the next look goes on.

    `unpacking`: of one that is packed, and so is rewritten as a whole. What cannot be a record is counted as unreadable.
    """

    def __init__(self, descriptor: int, since: Mark | None, unpacking: Unpacking | None = None) -> None:
        self._descriptor, self._unpacking = descriptor, unpacking
        self._about = os.fstat(descriptor)
        self.records = self.unreadable = 0
        self._offset, self._in_long, self.state = 0, False, ""
        self.resumed = since is not None and self._fits(since)
        """Whether only what was added since the mark is read; else all of it."""
        if since is not None and self.resumed:
            self._offset, self._in_long = since.offset, since.state.startswith(_IN_LONG)
            self.state = since.state.removeprefix(_IN_LONG)

    def _fits(self, since: Mark) -> bool:
        about = self._about
        same = (since.device, since.inode) == (about.st_dev, about.st_ino)
        if not same or since.offset > about.st_size or (self._unpacking is not None and since.size != about.st_size):
            return False
        length = since.head.partition("-")[0]
        return length.isdigit() and self._head(min(int(length), HEAD)) == since.head

    def _head(self, length: int) -> str:
        """The first bytes, as `1024-0f3c9a2b`: how many they are, and their CRC-32."""
        first = os.pread(self._descriptor, length, 0)
        return f"{len(first)}-{zlib.crc32(first):08x}"

    def _chunks(self) -> Iterator[bytes]:
        """What was added until the look began."""
        if self._unpacking is not None:
            while not self.resumed and (chunk := self._unpacking.read(BLOCK)):
                yield chunk
            self.records += self._unpacking.broken
            self.unreadable += self._unpacking.broken
            return
        at, end = self._offset, self._about.st_size
        while at < end and (chunk := os.pread(self._descriptor, min(BLOCK, end - at), at)):
            at += len(chunk)
            yield chunk

    def blocks(self) -> Iterator[tuple[bytes, int]]:
        """What was added, as bytes and how many of them are whole lines, the last line's end included."""
        rest: list[bytes] = []
        held, at = 0, self._offset
        for added in self._chunks():
            at += len(added)
            chunk = added
            if self._offset == 0 and not rest and chunk.startswith(_BOM):
                chunk, self._offset = chunk[len(_BOM) :], len(_BOM)
            if self._in_long:
                found = chunk.find(b"\n") + 1
                self._offset = at - len(chunk) + found if found else at
                self._in_long = not found
                chunk = chunk[found:] if found else b""
            end = chunk.rfind(b"\n") + 1
            rest.append(chunk)
            held += len(chunk)
            if end:
                whole = b"".join(rest) if len(rest) > 1 else chunk
                end += held - len(chunk)
                yield whole, end
                rest = [whole[end:]]
                held -= end
                self._offset += end
            elif held > LINE_MAX:
                self.records, self.unreadable = self.records + 1, self.unreadable + 1
                self._in_long, self._offset, rest, held = True, at, [], 0

    def lines(self) -> Iterator[bytes]:
        """The new lines that may be JSON objects, one by one."""
        for block, end in self.blocks():
            holes = b"\0" in block
            for whole in block[: end - 1].split(b"\n"):
                line = whole.strip()
                if not line:
                    continue
                self.records += 1
                if line.startswith(b"{") and line.endswith(b"}") and not (holes and b"\0" in line):
                    yield line
                else:
                    self.unreadable += 1

    def read(self, calls: tuple[Row, ...], copies: int, state: str = "") -> LogRead:
        """What this look gave, once its lines were taken. `state`: what the reader remembers for what comes next."""
        return LogRead(calls, self.mark(state), self.records, self.unreadable, copies, anew=not self.resumed)

    def mark(self, state: str = "") -> Mark:
        """How far it was read. What is in the works, a line without its end, is read again at the next look."""
        about = self._about
        offset = about.st_size if self._unpacking is not None else self._offset
        state = f"{_IN_LONG}{state}" if self._in_long else state
        return Mark(about.st_dev, about.st_ino, self._head(min(HEAD, offset)), about.st_size, offset, state)


@contextmanager
def growing(path: str, since: Mark | None) -> Iterator[Growing]:
    """Open it, from where `since` says, or from the start where that mark is of another file. Raises OSError."""
    with open_regular(path) as file:
        yield Growing(file.fileno(), since)
