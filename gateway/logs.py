"""The gateway's own log: lines on stderr, or in a file that begins anew when it has grown too large."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO, cast

import structlog

FILE: Final = "gateway.log"
BYTES_MAX: Final = 10_000_000
EARLIER: Final = ".1"
"""What the name of the file before this one ends in; there is one such."""


class _Growing:
    """The end of a file, which is put aside when it is full."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._descriptor = _opened(path)

    def write(self, text: str) -> int:
        if os.fstat(self._descriptor).st_size >= self._bytes_max:
            self._path.replace(self._path.with_name(self._path.name + EARLIER))
            self.close()
            self._descriptor = _opened(self._path)
        left = text.encode("utf-8", "replace")
        while left:
            left = left[os.write(self._descriptor, left) :]
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        os.close(self._descriptor)


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


@contextmanager
def logging_to(file: Path | None, bytes_max: int = BYTES_MAX) -> Iterator[None]:
    """Log to stderr, or to this file. Raises OSError where it cannot be opened."""
    if file is None:
        _log_to(sys.stderr, colours=sys.stderr.isatty())
        yield
        return
    stream = _Growing(file, bytes_max)
    _log_to(cast("TextIO", stream), colours=False)
    try:
        yield
    finally:
        structlog.reset_defaults()
        stream.close()


def _log_to(stream: TextIO, *, colours: bool) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(),
            structlog.dev.ConsoleRenderer(colors=colours),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
