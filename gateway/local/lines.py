"""Lines both ways on a connection, with a limit on their length and on how long the other end may leave one unread."""

import socket
from typing import Final, Never

import anyio
import structlog
from anyio.abc import ObjectStream, SocketAttribute, SocketStream

log = structlog.get_logger()

LINE_BYTES_MAX: Final = 16 * 1024 * 1024
WRITE_S: Final = 10.0
"""How long the other end may take to read a line."""
CHUNK: Final = 64 * 1024
TOO_LONG: Final = "a session's connection is closed: it sent a line that is too long"


class Lines(ObjectStream[bytes]):
    """Each item is a line without its end; empty ones are passed over. Any number of tasks may send, one may receive.

    `begun`: what was read of the connection already.
    """

    def __init__(self, stream: SocketStream, begun: bytes = b"") -> None:
        self._stream = stream
        self._read = bytearray(begun)
        self._looked = 0
        """So far there is no end of a line in what was read."""
        self._sending = anyio.Lock()

    async def receive(self) -> bytes:
        """The next line. Raises EndOfStream, also where the last line has no end; BrokenResourceError for one that is too long."""
        while True:
            while (end := self._read.find(b"\n", self._looked)) >= 0:
                line = bytes(self._read[:end]).strip()
                del self._read[: end + 1]
                self._looked = 0
                if len(line) > LINE_BYTES_MAX:
                    self._refuse(TOO_LONG)
                if line:
                    return line
            self._looked = len(self._read)
            if self._looked > LINE_BYTES_MAX:
                self._refuse(TOO_LONG)
            self._read += await receive(self._stream, CHUNK)

    async def send(self, item: bytes) -> None:
        """Send one line. Raises BrokenResourceError if it is too long (which is the end of the connection), if the other end is gone,
        or leaves it unread for too long; ValueError: no line.
        """
        if b"\n" in item:
            raise ValueError("a line has no end in it")
        if len(item) > LINE_BYTES_MAX:
            self._refuse("a session's connection is closed: what it is told is too long for a line")
        async with self._sending:
            whole = False
            try:
                with anyio.fail_after(WRITE_S):
                    await self._stream.send(item + b"\n")
                whole = True
            except TimeoutError:
                log.warning("a session's connection is closed: what it is told is left unread")
                raise anyio.BrokenResourceError from None
            finally:
                if not whole:  # the next line must not go on in the middle of this one
                    self._cut()

    async def send_eof(self) -> None:
        """Say that there is nothing more to come."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    def _refuse(self, why: str) -> Never:
        log.warning(why, bytes_max=LINE_BYTES_MAX)
        self._cut()
        raise anyio.BrokenResourceError

    def _cut(self) -> None:
        """Both ends see the end of it, whoever waits there."""
        try:
            self._stream.extra(SocketAttribute.raw_socket).shutdown(socket.SHUT_RDWR)  # noqa: S610 - no database is near
        except OSError:  # it is gone already
            return


async def receive(stream: SocketStream, bytes_max: int) -> bytes:
    """What comes next, waited for in a way that may be cancelled at any moment. Raises what the stream raises.

    To cancel anyio's own `receive` just when something comes makes asyncio report an error of its own.
    """
    await anyio.wait_readable(stream.extra(SocketAttribute.raw_socket))  # noqa: S610 - no database is near
    return await stream.receive(bytes_max)
