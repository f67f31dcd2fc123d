"""HTTP on an address of this machine, served inside a task group: heads, bodies, connections and waits all have their limits.

Who is let in is the application's business. Nothing that a proxy says of others (X-Forwarded-For and the like) is believed.
"""

import socket
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

import anyio
import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger()

HEAD_BYTES_MAX: Final = 16 * 1024
CONNECTIONS_MAX: Final = 128
BACKLOG: Final = 64
READ_S: Final = 10.0
"""How long somebody may take to say what they want; and how long a connection may be silent between two requests."""
STOP_S: Final = 2


def values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """Every value of a header; its name in small letters."""
    return [value.decode("latin-1") for key, value in headers if key == name]


async def body(scope: Scope, receive: Receive, bytes_max: int) -> bytes | HTTPStatus:
    """The whole body; or the status that says why it is not taken, and then the connection should be closed."""
    # h11 lets only digits through, and of several lengths none.
    if any(int(length) > bytes_max for length in values(scope["headers"], b"content-length")):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    read = bytearray()
    with anyio.move_on_after(READ_S):
        while True:
            message = await receive()
            read += message.get("body", b"")
            if len(read) > bytes_max:
                return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            if not message.get("more_body", False):
                return bytes(read)
    return HTTPStatus.REQUEST_TIMEOUT


def bound(address: str, port: int) -> socket.socket:
    """A socket on this address; nobody is answered before `serve`. Raises OSError."""
    found = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address, port))
    except OSError:
        found.close()
        raise
    return found


async def serve(listener: socket.socket, app: ASGIApp) -> None:
    """Answer until cancelled, then close what is open, and the listener."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # what is no HTTP is not worth a line each
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        timeout_keep_alive=int(READ_S),
        timeout_graceful_shutdown=STOP_S,
        backlog=BACKLOG,
    )
    server = _Server(config)
    try:
        await server.serve([listener])
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(2 * STOP_S):
            if server.started:
                await server.shutdown([listener])
        listener.close()


class _Server(uvicorn.Server):
    """The gateway answers signals itself."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class _Protocol(H11Protocol):
    """A connection that says nothing, or does not come to the end of a request's head, is closed; so is one too many."""

    _deadline: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            log.warning("too many connections at a listener", most=CONNECTIONS_MAX)
            transport.abort()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._unwatch()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(READ_S, self.transport.abort)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
