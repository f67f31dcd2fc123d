"""HTTP on this machine's own address, for clients that cannot open the door's socket: off unless the settings say where.

Anything on the machine can connect to it, a web page through its browser too. So every request, on every route, is looked at before
anything of it is read: it has to name this machine as its host, come from no page of another origin, and bear the home's token in the
Authorization header. Nothing is said to pages of other origins, and being local excuses from nothing.
"""

import hmac
import socket
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

import anyio
import structlog
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.ports import TollbridgeError

log = structlog.get_logger()

HEAD_BYTES_MAX: Final = 16 * 1024
BODY_BYTES_MAX: Final = 4 * 1024 * 1024
CONNECTIONS_MAX: Final = 128
BACKLOG: Final = 64
READ_S: Final = 10.0
"""How long somebody may take to say what they want; and how long a connection may be silent between two requests."""
ANSWER_S: Final = 120.0
"""How long an answer may take."""
STREAM_S: Final = 3600.0
"""How long an answer to a GET may go on: a client that wants more asks again."""
STOP_S: Final = 2

Routes = Mapping[str, ASGIApp]
"""By path: `/mcp`. Each sees only requests that were let in, with their whole body, of at most BODY_BYTES_MAX, already there."""
Handler = Callable[[Request], Awaitable[Response]]


class LoopbackError(TollbridgeError):
    """Nothing can be listened on there; the message says why and what to do."""


def answering(method: str, handler: Handler) -> ASGIApp:
    """A route that answers one method with what the handler makes of the request."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != method:
            reply: Response = refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"this is asked by {method}", Allow=method)
        else:
            reply = await handler(Request(scope, receive))
        await reply(scope, receive, send)

    return app


def refusal(status: int, sentence: str, **headers: str) -> Response:
    """A refusal: JSON with one sentence, like the door's."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse({"error": sentence}, status, headers=named | {"Cache-Control": "no-store"})


# ---------------------------------------------------------------------------------------------------------- who gets in
class Guarded:
    """The routes behind their guard. `token` is asked at each request: another one counts at once."""

    def __init__(self, routes: Routes, token: Callable[[], str], address: str, port: int) -> None:
        self._routes = routes
        self._token = token
        names = {f"[{address}]" if ":" in address else address, "127.0.0.1", "localhost", "[::1]"}
        self._hosts = frozenset(f"{name}:{port}" for name in names)
        self._origins = frozenset(f"http://{host}" for host in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        if scope["type"] != "http":
            return
        reply = self._refused(scope)
        if reply is None:
            found = await _body(scope, receive)
            if isinstance(found, bytes):
                await self._answered(scope, _replayed(found, receive), send)
                return
            reply = found
        await reply(scope, receive, send)

    def _refused(self, scope: Scope) -> Response | None:
        """Why the request is not let in, by its head alone; None: it is."""
        headers = scope["headers"]
        hosts, origins = _values(headers, b"host"), _values(headers, b"origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return refusal(HTTPStatus.FORBIDDEN, "this host is not known here: use 127.0.0.1 and the port that is set")
        if any(origin.lower() not in self._origins for origin in origins):
            return refusal(HTTPStatus.FORBIDDEN, "nothing here is for web pages")
        if scope["query_string"]:
            words = "nothing is said in a query here: the token belongs in the Authorization header"
            return refusal(HTTPStatus.BAD_REQUEST, words)
        if not self._bears(headers):
            words = "send the header `Authorization: Bearer TOKEN` with the token that `tollbridge mcp token` shows"
            return refusal(HTTPStatus.UNAUTHORIZED, words, WWW_Authenticate="Bearer")
        if scope["path"] not in self._routes:
            return refusal(HTTPStatus.NOT_FOUND, f"there is {', '.join(self._routes)}")
        return None

    def _bears(self, headers: list[tuple[bytes, bytes]]) -> bool:
        borne = _values(headers, b"authorization")
        scheme, _, token = borne[0].partition(" ") if len(borne) == 1 else ("", "", "")
        try:
            right = self._token()
        except TollbridgeError as error:
            log.warning("the loopback listener has no token", why=str(error))
            return False
        return hmac.compare_digest(token.strip().encode(), right.encode()) and scheme.lower() == "bearer"

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        with anyio.move_on_after(STREAM_S if scope["method"] == "GET" else ANSWER_S) as limit:
            await self._routes[scope["path"]](scope, receive, sent)
        if limit.cancelled_caught and not started:
            await refusal(HTTPStatus.GATEWAY_TIMEOUT, "that took too long: try again")(scope, receive, send)


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


async def _body(scope: Scope, receive: Receive) -> bytes | Response:
    """The whole body, or why it is not taken."""
    too_large = refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {BODY_BYTES_MAX} bytes are read", Connection="close"
    )
    # h11 lets only digits through, and of several lengths none.
    if any(int(length) > BODY_BYTES_MAX for length in _values(scope["headers"], b"content-length")):
        return too_large
    body = bytearray()
    with anyio.move_on_after(READ_S):
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > BODY_BYTES_MAX:
                return too_large
            if not message.get("more_body", False):
                return bytes(body)
    words = "the request did not come to its end in time"
    return refusal(HTTPStatus.REQUEST_TIMEOUT, words, Connection="close")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body that was read, and then what comes after it: that the client is gone."""
    read = False

    async def replay() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


# ------------------------------------------------------------------------------------------------------------ listening
def bound(address: str, port: int) -> socket.socket:
    """A socket on a loopback address. Raises LoopbackError."""
    found = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address, port))
    except OSError as error:
        found.close()
        words = f"local.listen: nothing can listen on {address} port {port} ({error.strerror}): set another port"
        raise LoopbackError(words) from None
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
            log.warning("too many connections at the loopback listener", most=CONNECTIONS_MAX)
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
