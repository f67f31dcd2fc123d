"""`/metrics`: who may fetch the figures, and how often they are looked at anew.

On an address that others reach a token is asked for. On this machine anything can connect, a web page through its browser too: so a
request has to name this machine as its host, and come from no page.
"""

import hmac
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

import anyio
import structlog
from anyio import to_thread
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from gateway import listener
from gateway.core.telemetry import Point
from gateway.ports import StoreError, TollbridgeError
from gateway.telemetry.exposition import exposed

log = structlog.get_logger()

PATH: Final = "/metrics"
FRESH_MS: Final = 1_000
"""What was looked at is told again to who asks within this time."""
ANSWER_S: Final = 10.0
WAITING_MAX: Final = 8
"""So many may wait for an answer."""

Look = Callable[[], Awaitable[Sequence[Point]]]


class MetricsError(TollbridgeError):
    """Nothing can be listened on there; the message says why and what to do."""


class Scrapes:
    """The application. `token`: empty, where none is asked for. `began_ms`: since when it is counted. `ticks_ms`: a clock."""

    def __init__(
        self, look: Look, began_ms: int, place: tuple[str, int], token: str, ticks_ms: Callable[[], int]
    ) -> None:
        self._look = look
        self._began_ms = began_ms
        self._token = token
        self._ticks_ms = ticks_ms
        address, port = place
        named = f"[{address}]" if ":" in address else address
        names = {named, "127.0.0.1", "localhost", "[::1]"}
        self._hosts = frozenset(f"{name}:{port}" for name in names) if ip_address(address).is_loopback else None
        self._lock = anyio.Lock()
        self._waiting = 0
        self._seen: tuple[int, Sequence[Point]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say why not."""
        if scope["type"] == "http":
            reply = self._refused(scope) or await self._answer(scope)
            await reply(scope, receive, send)

    def _refused(self, scope: Scope) -> Response | None:
        headers = scope["headers"]
        hosts = listener.values(headers, b"host")
        if self._hosts is not None and (len(hosts) != 1 or hosts[0].lower() not in self._hosts):
            return _said(HTTPStatus.FORBIDDEN, "this host is not known here: use 127.0.0.1 and the port that is set")
        if listener.values(headers, b"origin"):
            return _said(HTTPStatus.FORBIDDEN, "nothing here is for web pages")
        if self._token and not self._bears(headers):
            words = "send the header `Authorization: Bearer TOKEN` with metrics.token of the settings"
            return _said(HTTPStatus.UNAUTHORIZED, words, {"WWW-Authenticate": "Bearer"})
        if scope["path"] != PATH:
            return _said(HTTPStatus.NOT_FOUND, f"there is {PATH}")
        if scope["method"] not in {"GET", "HEAD"}:
            return _said(HTTPStatus.METHOD_NOT_ALLOWED, "this is asked by GET", {"Allow": "GET, HEAD"})
        return None

    def _bears(self, headers: list[tuple[bytes, bytes]]) -> bool:
        borne = listener.values(headers, b"authorization")
        scheme, _, token = borne[0].partition(" ") if len(borne) == 1 else ("", "", "")
        return hmac.compare_digest(token.strip().encode(), self._token.encode()) and scheme.lower() == "bearer"

    async def _answer(self, scope: Scope) -> Response:
        if self._waiting >= WAITING_MAX:
            return _said(HTTPStatus.SERVICE_UNAVAILABLE, "too many ask at once", {"Retry-After": "1"})
        accept = ",".join(listener.values(scope["headers"], b"accept"))
        self._waiting += 1
        try:
            with anyio.fail_after(ANSWER_S):
                points = await self._fresh()
                text, kind = await to_thread.run_sync(partial(exposed, points, accept, self._began_ms))
        except TimeoutError:
            return _said(HTTPStatus.SERVICE_UNAVAILABLE, "that took too long: try again", {"Retry-After": "5"})
        except StoreError as error:
            log.warning("the figures cannot be read", why=str(error))
            return _said(HTTPStatus.SERVICE_UNAVAILABLE, "the ledger cannot be read now: `tollbridge doctor` says why")
        finally:
            self._waiting -= 1
        return Response(text, headers={"Content-Type": kind, "Cache-Control": "no-store"})

    async def _fresh(self) -> Sequence[Point]:
        async with self._lock:
            now = self._ticks_ms()
            if self._seen is None or now - self._seen[0] >= FRESH_MS:
                self._seen = now, await self._look()
            return self._seen[1]


def _said(status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{sentence}\n", status, headers=(headers or {}) | {"Cache-Control": "no-store"})


def bound(address: str, port: int) -> socket.socket:
    """A socket where the settings say. Raises MetricsError."""
    try:
        return listener.bound(address, port)
    except OSError as error:
        words = f"metrics.listen: nothing can listen on {address} port {port} ({error.strerror}): set another port"
        raise MetricsError(words) from None
