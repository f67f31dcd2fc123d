"""The gateway's own log: lines on stderr, or in a file that begins anew when it has grown too large.

What cannot be written is lost, and counted: a full disk, or a terminal that is gone, ends no gateway.
"""

import logging
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO, cast

import structlog

FILE: Final = "gateway.log"
BYTES_MAX: Final = 10_000_000
EARLIER: Final = ".1"
"""What the name of the file before this one ends in; there is one such."""
_STDERR: Final = 2


class _Lasting:
    """Somewhere to write lines to, as structlog has it."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lost = 0

    def write(self, text: str) -> int:
        told = f"({self._lost} lines before this could not be written)\n" if self._lost else ""
        try:
            self._write(told + text)
        except OSError:
            self._lost += 1
        else:
            self._lost = 0
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""


class _Growing:
    """The end of a file, which is put aside when it is full."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._descriptor = _opened(path)

    def write(self, text: str) -> None:
        """Raises OSError."""
        if os.fstat(self._descriptor).st_size >= self._bytes_max:
            self._begin_anew()
        left = text.encode("utf-8", "replace")
        while left:
            left = left[os.write(self._descriptor, left) :]

    def close(self) -> None:
        os.close(self._descriptor)

    def _begin_anew(self) -> None:
        self._path.replace(self._path.with_name(self._path.name + EARLIER))
        # Opened before the other is closed: its number must not become another file's.
        before, self._descriptor = self._descriptor, _opened(self._path)
        if _same(before, _STDERR):
            os.dup2(self._descriptor, _STDERR)  # behind the terminal: what ends the gateway stands there
        os.close(before)


def _opened(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileExistsError(f"{path} is no file: move it away")
    return descriptor


def _same(one: int, other: int) -> bool:
    try:
        return os.path.sameopenfile(one, other)
    except OSError:  # there may be no stderr
        return False


@contextmanager
def logging_to(file: Path | None, bytes_max: int = BYTES_MAX) -> Iterator[None]:
    """Log to stderr, or to this file. Raises OSError where it cannot be opened."""
    if file is None:
        _log_to(_Lasting(_to_stderr), colours=sys.stderr.isatty())
        yield
        return
    stream = _Growing(file, bytes_max)
    _log_to(_Lasting(stream.write), colours=False)
    try:
        yield
    finally:
        structlog.reset_defaults()
        stream.close()


def _to_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _log_to(stream: _Lasting, *, colours: bool) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(),
            structlog.dev.ConsoleRenderer(colors=colours),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", stream)),
    )
