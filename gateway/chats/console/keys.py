"""What the person types: lines from any input, single keys from a terminal."""

import codecs
import errno
import os
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import anyio.lowlevel

if sys.platform != "win32":
    import termios
    import tty

BYTES_AT_ONCE = 4_096
LINE_CHARACTERS_MAX = 16_000
PASTE_BEGINS, PASTE_ENDS = "\x1b[200~", "\x1b[201~"
PASTE_ON, PASTE_OFF = "\x1b[?2004h", "\x1b[?2004l"


@dataclass(frozen=True, slots=True)
class Typed:
    """The line so far."""

    text: str


@dataclass(frozen=True, slots=True)
class Entered:
    """A whole line."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The person typed the end of the input."""


class Editor:
    """The line that is being typed on a terminal: the usual keys to delete, Ctrl-D on an empty line to end.

    `at_once(key)` says whether a single key on an empty line counts as entered. Pasted line breaks stay in the line.
    """

    def __init__(self, at_once: Callable[[str], bool]) -> None:
        self.text = ""
        self._at_once = at_once
        self._pasting = False
        self._escape = ""

    def feed(self, keys: str) -> Generator[Typed | Entered | Ended, None, None]:
        """What these keys bring about, in order."""
        for key in keys:
            if self._escape or key == "\x1b":
                self._escape_with(key)
            elif key in "\r\n" and not self._pasting:
                text, self.text = self.text, ""
                yield Entered(text)
            elif key == "\x04" and not self.text:
                yield Ended()
            elif not self.text and not self._pasting and self._at_once(key):
                yield Entered(key)
            elif self._edit(key):
                yield Typed(self.text)

    def _edit(self, key: str) -> bool:
        match key:
            case "\x7f" | "\b":
                self.text = self.text[:-1]
            case "\x15":
                self.text = ""
            case "\x17":
                self.text = self.text.rstrip().rpartition(" ")[0]
            case "\r":
                self.text += "\n"
            case _ if (key.isprintable() or key == "\n") and len(self.text) < LINE_CHARACTERS_MAX:
                self.text += key
            case _:
                return False
        return True

    def _escape_with(self, key: str) -> None:
        """Collect an escape sequence; only the marks around pasted text mean something here."""
        self._escape += key
        second = self._escape[1:2]
        done = len(self._escape) > 1 if second not in {"[", "O"} else len(self._escape) > 2 and "@" <= key <= "~"  # noqa: PLR2004 - after ESC and [ or O
        if done or len(self._escape) > len(PASTE_BEGINS):
            self._pasting = {PASTE_BEGINS: True, PASTE_ENDS: False}.get(self._escape, self._pasting)
            self._escape = ""


async def chunks(fd: int) -> AsyncGenerator[str]:
    """What arrives on a file descriptor, decoded, until its end. No thread waits in it: it can be cancelled at any time."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    while True:
        try:
            await anyio.wait_readable(fd)
        except PermissionError:  # A plain file, or /dev/null, which never keeps anyone waiting.
            await anyio.lowlevel.checkpoint()
        data = _read(fd)
        text = decoder.decode(data, final=not data)
        if text:
            yield text
        if not data:
            return


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, BYTES_AT_ONCE)
    except OSError as error:
        if error.errno == errno.EIO:  # The terminal was closed.
            return b""
        raise


async def lines(fd: int) -> AsyncGenerator[str]:
    """Whole lines; what stands after the last line break counts as one, and a line without an end is cut."""
    rest = ""
    async for text in chunks(fd):
        *whole, rest = (rest + text).split("\n")
        for line in whole:
            yield line.removesuffix("\r")
        if len(rest) > LINE_CHARACTERS_MAX:
            yield rest
            rest = ""
    if rest:
        yield rest


@contextmanager
def single_keys(fd: int, write: Callable[[str], None]) -> Generator[None]:
    """The terminal gives every key as it is pressed, and shows none; afterwards it is as it was."""
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd, termios.TCSANOW)
    write(PASTE_ON)
    try:
        yield
    finally:
        write(PASTE_OFF)
        termios.tcsetattr(fd, termios.TCSANOW, before)
