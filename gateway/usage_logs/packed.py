"""Logs that an agent has packed with Zstandard, as Codex does with those that were left alone for a week."""

from collections.abc import Iterator
from typing import BinaryIO, Final

import zstandard

UNPACKED_MAX: Final = 16 * 1024**3
"""Bytes of one log; what comes after them is not read."""
_WINDOW_MAX: Final = 128 * 1024 * 1024
_BITE: Final = 1024
"""So few packed bytes at a time: they may come to some thirty thousand times as many."""


class Packed:
    """The bytes of such a file, in order. `broken`: there was more, and it could not be unpacked."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX)
        self._frame = None
        self._left = UNPACKED_MAX
        self.broken = False

    def read(self, size: int) -> bytes:
        """About so many bytes; none at the end, wherever that is. Raises OSError."""
        parts: list[bytes] = []
        held = 0
        while held < size and not self.broken and (packed := self._file.read(_BITE)):
            for part in self._unpacked(packed):
                parts.append(part)
                held += len(part)
                self._left -= len(part)
            self.broken = self.broken or self._left < 0
        self.broken = self.broken or (held == 0 and self._frame is not None)
        return b"".join(parts)

    def _unpacked(self, packed: bytes) -> Iterator[bytes]:
        """One frame may end within it, and the next begin."""
        while packed:
            frame = self._frame or self._unpacker.decompressobj()
            try:
                yield frame.decompress(packed)
            except zstandard.ZstdError:
                self.broken = True
                return
            self._frame, packed = (None, frame.unused_data) if frame.eof else (frame, b"")
