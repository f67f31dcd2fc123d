"""The door's own half: a socket that only this user can open, and HTTP on it with every limit that a server needs.

One request a connection. What is asked for, and by whom, goes to the handler of its route; refusals are JSON with one sentence.
"""

import json
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import anyio
import h11
import structlog
from anyio.abc import ByteStream, SocketAttribute, SocketListener, SocketStream

from gateway.local.peers import Peer, peer_of
from gateway.local.place import SOCKET, DoorError, reached
from gateway.ports import TollbridgeError

log = structlog.get_logger()

HEAD_BYTES_MAX: Final = 16 * 1024
BODY_BYTES_MAX: Final = 64 * 1024
CHUNK: Final = 16 * 1024
CONNECTIONS_MAX: Final = 64
BACKLOG: Final = 64
READ_S: Final = 10.0
"""How long somebody may take to say what they want, and to take the answer."""
ANSWER_S: Final = 60.0
"""How long an answer may take."""
RETRY_S: Final = 1.0
"""After a connection could not be taken: the system has run out of something."""


@dataclass(frozen=True, slots=True)
class Request:
    """What came through the door. `path` is what follows the route's own."""

    path: str
    query: str
    body: bytes
    peer: Peer


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer: a status, and an object."""

    status: int
    fields: Mapping[str, Any]


Handler = Callable[[Request], Awaitable[Reply]]
Routes = Mapping[str, Handler]
"""By method and path: `POST /v1/changes`, or with all that is below it: `GET /v1/changes/`."""


class _BadRequestError(Exception):
    """What came in is refused before anybody looks at it: the status, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@asynccontextmanager
async def opened(home: Path) -> AsyncGenerator[SocketListener]:
    """The socket in the home, 0600; nobody is answered before `serve`. Gone at the end. Raises DoorError.

    The caller holds the home's lock: a socket that is there already was left by a gateway that was killed.
    """
    path = home / SOCKET
    try:
        _clear(path)
        with reached(home) as name:
            listener = await anyio.create_unix_listener(name, mode=0o600, backlog=BACKLOG)
    except OSError as error:
        raise DoorError(f"{path} cannot be made ({error.strerror}): mend the permissions of {home}") from None
    try:
        async with listener:
            yield listener
    finally:
        with suppress(OSError):
            path.unlink()


def _clear(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise DoorError(f"{path} is no socket, and stands where the gateway's has to be: move it away")
    path.unlink()


async def serve(listener: SocketListener, routes: Routes) -> None:
    """Answer until cancelled."""
    places = anyio.Semaphore(CONNECTIONS_MAX)
    async with anyio.create_task_group() as tasks:
        while True:
            await places.acquire()
            try:
                stream = await listener.accept()
            except OSError as error:
                places.release()
                log.warning("a connection could not be taken", why=error.strerror)
                await anyio.sleep(RETRY_S)
                continue
            tasks.start_soon(_serve, stream, routes, places)


async def _serve(stream: SocketStream, routes: Routes, places: anyio.Semaphore) -> None:
    """One connection. Whoever goes away in the middle of it is not missed."""
    try:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            async with stream:
                await _converse(stream, routes)
    finally:
        places.release()


async def _converse(stream: SocketStream, routes: Routes) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    try:
        reply = await _answer(stream, connection, routes)
    except _BadRequestError as refused:
        reply = Reply(refused.status, {"error": str(refused)})
    except TollbridgeError as error:
        reply = Reply(HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(error)})
    with anyio.move_on_after(READ_S):
        await _send(stream, connection, reply)


async def _answer(stream: SocketStream, connection: h11.Connection, routes: Routes) -> Reply:
    try:
        with anyio.fail_after(READ_S):
            asked, body = await _read(stream, connection)
    except TimeoutError:
        raise _BadRequestError(HTTPStatus.REQUEST_TIMEOUT, "the request did not come to its end in time") from None
    except h11.RemoteProtocolError as error:
        raise _BadRequestError(error.error_status_hint, f"that is not HTTP as it is spoken here: {error}") from None
    peer = peer_of(stream.extra(SocketAttribute.raw_socket))  # noqa: S610 - no database is near
    handler, request = _routed(asked, body, peer, routes)
    with anyio.move_on_after(ANSWER_S):
        return await handler(request)
    raise _BadRequestError(HTTPStatus.GATEWAY_TIMEOUT, "that took too long: try again")


async def _read(stream: ByteStream, connection: h11.Connection) -> tuple[h11.Request, bytes]:
    """A whole request. Raises RemoteProtocolError, _BadRequestError, EndOfStream."""
    asked: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive(CHUNK))
        elif isinstance(event, h11.Request):
            asked = event
            _admit(event)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_BYTES_MAX:
                raise _BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {BODY_BYTES_MAX} bytes are read")
        elif isinstance(event, h11.EndOfMessage) and asked is not None:
            return asked, bytes(body)
        else:
            raise anyio.EndOfStream


def _admit(asked: h11.Request) -> None:
    """Refuse what no program of ours would say, before its body is read."""
    headers = dict(asked.headers)
    if b"origin" in headers:
        raise _BadRequestError(HTTPStatus.FORBIDDEN, "nothing here is for web pages")
    length = headers.get(b"content-length", b"0")
    if int(length) > BODY_BYTES_MAX:  # h11 lets only digits through
        raise _BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {BODY_BYTES_MAX} bytes are read")


def _routed(asked: h11.Request, body: bytes, peer: Peer, routes: Routes) -> tuple[Handler, Request]:
    method, target = asked.method.decode("ascii"), asked.target.decode("ascii")
    path, _, query = target.partition("?")
    others: list[str] = []
    for route, handler in routes.items():
        known_method, _, known = route.partition(" ")
        if path == known or (known.endswith("/") and path.startswith(known)):
            if method == known_method:
                return handler, Request(path.removeprefix(known), query, body, peer)
            others.append(known_method)
    if others:
        raise _BadRequestError(HTTPStatus.METHOD_NOT_ALLOWED, f"{path[:100]} is asked for with {' or '.join(others)}")
    raise _BadRequestError(HTTPStatus.NOT_FOUND, f"there is nothing under {path[:100]}: is it of another version?")


async def _send(stream: ByteStream, connection: h11.Connection, reply: Reply) -> None:
    if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return
    body = json.dumps(reply.fields).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    parts = (h11.Response(status_code=reply.status, headers=headers), h11.Data(data=body), h11.EndOfMessage())
    await stream.send(b"".join(connection.send(part) or b"" for part in parts))
