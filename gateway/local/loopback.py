"""HTTP on this machine's own address, for clients that cannot open the door's socket: off unless the settings say where.

Anything on the machine can connect to it, a web page through its browser too. So every request, on every route, is looked at before
anything of it is read: it has to name this machine as its host, come from no page of another origin, and bear the home's token in the
Authorization header. Nothing is said to pages of other origins, and being local excuses from nothing.
"""

import hmac
import socket
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

import anyio
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import listener
from gateway.ports import TollbridgeError

log = structlog.get_logger()

BODY_BYTES_MAX: Final = 4 * 1024 * 1024
ANSWER_S: Final = 120.0
"""How long an answer may take."""
STREAM_S: Final = 3600.0
"""How long an answer to a GET may go on: a client that wants more asks again."""

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
            found = await listener.body(scope, receive, BODY_BYTES_MAX)
            if isinstance(found, bytes):
                await self._answered(scope, _replayed(found, receive), send)
                return
            reply = _not_taken(found)
        await reply(scope, receive, send)

    def _refused(self, scope: Scope) -> Response | None:
        """Why the request is not let in, by its head alone; None: it is."""
        headers = scope["headers"]
        hosts, origins = listener.values(headers, b"host"), listener.values(headers, b"origin")
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
        borne = listener.values(headers, b"authorization")
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


def _not_taken(status: HTTPStatus) -> Response:
    """Why the body of a request is not taken."""
    too_slow = status == HTTPStatus.REQUEST_TIMEOUT
    words = "the request did not come to its end in time" if too_slow else f"at most {BODY_BYTES_MAX} bytes are read"
    return refusal(status, words, Connection="close")


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
    try:
        return listener.bound(address, port)
    except OSError as error:
        words = f"local.listen: nothing can listen on {address} port {port} ({error.strerror}): set another port"
        raise LoopbackError(words) from None


serve = listener.serve
