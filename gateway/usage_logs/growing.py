"""A log that lines are appended to: read on from where it was read last, in large blocks of whole lines."""

import errno
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gateway.domain.logged import Mark

BLOCK: Final = 256 * 1024
LINE_MAX: Final = 64 * 1024 * 1024
"""A longer line is passed over: no agent writes one."""
HEAD: Final = 1024
_IN_LONG: Final = "long"
"""What a mark remembers that stands within a line which is too long."""
_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Growing:
    """One look at such a file. `too_long`: so many lines were passed over for their length."""

    def __init__(self, descriptor: int, since: Mark | None) -> None:
        self._descriptor = descriptor
        self._about = os.fstat(descriptor)
        if not stat.S_ISREG(self._about.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        self.too_long = 0
        self._offset, self._in_long = 0, False
        if since is not None and self._fits(since):
            self._offset, self._in_long = since.offset, since.state == _IN_LONG

    def _fits(self, since: Mark) -> bool:
        about = self._about
        if (since.device, since.inode) != (about.st_dev, about.st_ino) or since.offset > about.st_size:
            return False
        length = since.head.partition("-")[0]
        return length.isdigit() and self._head(min(int(length), HEAD)) == since.head

    def _head(self, length: int) -> str:
        """The first bytes, as `1024-0f3c9a2b`: how many they are, and their CRC-32."""
        first = os.pread(self._descriptor, length, 0)
        return f"{len(first)}-{zlib.crc32(first):08x}"

    def blocks(self) -> Iterator[tuple[bytes, int]]:
        """What was added, as bytes and how many of them are whole lines, the last line's end included."""
        rest = b""
        at = self._offset
        while chunk := os.pread(self._descriptor, BLOCK, at):
            at += len(chunk)
            if self._in_long:
                found = chunk.find(b"\n") + 1
                self._offset = at - len(chunk) + found if found else at
                self._in_long = not found
                chunk = chunk[found:] if found else b""
            end = chunk.rfind(b"\n") + 1
            if not end:
                rest += chunk
                if len(rest) > LINE_MAX:
                    self.too_long, self._in_long, self._offset, rest = self.too_long + 1, True, at, b""
                continue
            whole = rest + chunk if rest else chunk
            end += len(rest)
            yield whole, end
            rest = whole[end:]
            self._offset += end

    def mark(self) -> Mark:
        """How far it was read. What is in the works, a line without its end, is read again at the next look."""
        about, head = self._about, self._head(min(HEAD, self._offset))
        size = max(about.st_size, self._offset)
        return Mark(about.st_dev, about.st_ino, head, size, self._offset, _IN_LONG if self._in_long else "")


@contextmanager
def growing(path: str, since: Mark | None) -> Iterator[Growing]:
    """Open it, from where `since` says, or from the start where that mark is of another file. Raises OSError."""
    descriptor = os.open(path, _FLAGS)
    try:
        yield Growing(descriptor, since)
    finally:
        os.close(descriptor)
