"""What readers of logs share of files: which there are below a folder, and those that are rewritten as a whole."""

import os
import stat
import zlib
from collections.abc import Callable, Iterator
from errno import EINVAL
from itertools import islice
from typing import BinaryIO, Final

from gateway.domain.logged import Mark

LARGEST_FILE: Final = 256 << 20
"""Bytes of a file that is read as a whole."""
_MOST_FILES: Final = 1_000_000
_CHUNK: Final = 256 << 10
_HEAD: Final = 1024
_TAIL: Final = 4096
_BOM: Final = b"\xef\xbb\xbf"


def open_regular(path: str) -> BinaryIO:
    """The file, to be read; a pipe or a device is an OSError instead of a wait without end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
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
        tail = _digest(file, max(0, size - _TAIL), _TAIL)
        mark = Mark(found.st_dev, found.st_ino, _digest(file, 0, _HEAD), size, size, tail)
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


def _digest(file: BinaryIO, start: int, size: int) -> str:
    """What tells these bytes from others."""
    file.seek(start)
    return f"{zlib.crc32(read_exactly(file, size)):08x}"


def below(place: str, wanted: Callable[[str, str], bool]) -> Iterator[str]:
    """The files below a folder that are wanted by their folder and name, in order; at most a million are looked at. Links to folders are not followed."""

    def found() -> Iterator[tuple[str, str]]:
        for folder, folders, names in os.walk(place):
            folders.sort()
            for name in sorted(names):
                yield folder, name

    for folder, name in islice(found(), _MOST_FILES):
        if wanted(folder, name):
            yield os.path.join(folder, name)
