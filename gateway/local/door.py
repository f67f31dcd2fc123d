"""The door's own half: a socket that only this user can open, and HTTP on it with every limit that a server needs.

One request a connection. What is asked for, and by whom, goes to the handler of its route; refusals are JSON with one sentence. A
handler may also answer with what goes on to talk on that connection, in lines, for as long as both ends like.
"""

import json
import stat
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import anyio
import h11
import structlog
from anyio.abc import ByteStream, SocketAttribute, SocketListener, SocketStream

from gateway.local.lines import Lines, receive
from gateway.local.peers import Peer, peer_of
from gateway.local.place import SOCKET, DoorError, reached
from gateway.local.routes import (
    BODY_BYTES_MAX,
    BadRequestError,
    Found,
    Handler,
    Reply,
    Request,
    Route,
    Routes,
    Talk,
    find,
)
from gateway.ports import TollbridgeError

__all__ = ["Handler", "Reply", "Request", "Route", "Routes", "Talk", "opened", "serve"]

log = structlog.get_logger()

HEAD_BYTES_MAX: Final = 16 * 1024
CHUNK: Final = 16 * 1024
CONNECTIONS_MAX: Final = 64
LONG_MAX: Final = 256
"""Answers that take longer than usual, beside the connections above: hooks that wait, of every session (64 at the desk) its prompt,
its main loop and some of its sub-agents.
"""
TALKS_MAX: Final = 2 * 64 + 16
"""Connections that stay open, beside both: a session brings two, its channel and its budget; and some for other programs."""
LARGE_MAX: Final = 4
"""Bodies of more than the usual size that are read at once."""
HELD_BYTES_MAX: Final = 128 * 1024 * 1024
"""So much of such bodies may wait for its answer: they are in memory as long."""
BACKLOG: Final = 64
PROTOCOL: Final = "mcp"
"""What a connection that stays is upgraded to."""
READ_S: Final = 10.0
"""How long somebody may take to say what they want, and to take the answer."""
ANSWER_S: Final = 60.0
"""How long an answer may take."""
RETRY_S: Final = 1.0
"""After a connection could not be taken: the system has run out of something."""


class _Places:
    """How many may be at the door at once, and for what."""

    def __init__(self) -> None:
        self.short = anyio.Semaphore(CONNECTIONS_MAX)
        self.long = anyio.Semaphore(LONG_MAX)
        self.talks = anyio.Semaphore(TALKS_MAX)
        self.large = anyio.Semaphore(LARGE_MAX)
        self.held_bytes = 0


@dataclass(slots=True)
class _Visit:
    """One connection, and the place that it takes."""

    stream: SocketStream
    places: _Places
    place: anyio.Semaphore
    held_bytes: int = 0

    def hold(self, body: bytes) -> None:
        """Keep a body until the end. Raises BadRequestError where too much is kept already."""
        if len(body) <= BODY_BYTES_MAX:
            return
        if self.places.held_bytes + len(body) > HELD_BYTES_MAX:
            raise BadRequestError(HTTPStatus.SERVICE_UNAVAILABLE, "too much waits for an answer already: try again")
        self.held_bytes = len(body)
        self.places.held_bytes += len(body)

    def leave(self) -> None:
        """It is over."""
        self.places.held_bytes -= self.held_bytes
        self.place.release()

    def move(self, to: anyio.Semaphore, sentence: str) -> None:
        """Take another place and leave this one to others. Raises BadRequestError where there is none."""
        try:
            to.acquire_nowait()
        except anyio.WouldBlock:
            raise BadRequestError(HTTPStatus.SERVICE_UNAVAILABLE, sentence) from None
        self.place.release()
        self.place = to


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
    """Answer until cancelled. Connections that stay open are closed then."""
    places = _Places()
    async with anyio.create_task_group() as tasks:
        while True:
            await places.short.acquire()
            try:
                stream = await listener.accept()
            except OSError as error:
                places.short.release()
                log.warning("a connection could not be taken", why=error.strerror)
                await anyio.sleep(RETRY_S)
                continue
            tasks.start_soon(_serve, _Visit(stream, places, places.short), routes)


async def _serve(visit: _Visit, routes: Routes) -> None:
    """One connection. Whoever goes away in the middle of it is not missed."""
    try:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            async with visit.stream:
                await _converse(visit, routes)
    finally:
        visit.leave()


async def _converse(visit: _Visit, routes: Routes) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    try:
        reply = await _answer(visit, connection, routes)
        if not isinstance(reply, Reply):
            visit.move(visit.places.talks, "too many sessions are connected already: close one that is not needed")
    except BadRequestError as refused:
        reply = Reply(refused.status, {"error": str(refused)})
    if not isinstance(reply, Reply):
        await _talk(visit.stream, connection, reply)
        return
    with anyio.move_on_after(READ_S):
        await _send(visit.stream, connection, reply)


async def _answer(visit: _Visit, connection: h11.Connection, routes: Routes) -> Reply | Talk:
    try:
        with anyio.fail_after(READ_S):
            asked, found, body = await _read(visit, connection, routes)
    except TimeoutError:
        raise BadRequestError(HTTPStatus.REQUEST_TIMEOUT, "the request did not come to its end in time") from None
    except h11.RemoteProtocolError as error:
        raise BadRequestError(error.error_status_hint, f"that is not HTTP as it is spoken here: {error}") from None
    visit.hold(body)
    request = Request(found.path, found.query, body, _peer(visit.stream))
    with anyio.move_on_after(found.route.answer_s or ANSWER_S):
        if found.route.answer_s is not None:
            visit.move(visit.places.long, "too many others wait for an answer already: try again")
            reply = await _while_there(visit.stream, found.route.handler, request)
        else:
            reply = await _handled(found.route.handler, request)
        if not isinstance(reply, Reply) and not _upgrades(asked):
            raise BadRequestError(HTTPStatus.UPGRADE_REQUIRED, f"this connection stays: upgrade it to {PROTOCOL}")
        return reply
    raise BadRequestError(HTTPStatus.GATEWAY_TIMEOUT, "that took too long: try again")


def _peer(stream: SocketStream) -> Peer:
    """Who asks. Raises EndOfStream where the system does not know them any more."""
    try:
        return peer_of(stream.extra(SocketAttribute.raw_socket))  # noqa: S610 - no database is near
    except OSError as error:
        log.warning("nobody knows who has asked: it is not answered", why=str(error))
        raise anyio.EndOfStream from None


async def _handled(handler: Handler, request: Request) -> Reply | Talk:
    """The door is an edge: what the system refuses to one request ends no other."""
    try:
        return await handler(request)
    except TollbridgeError as error:
        return Reply(HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(error)})
    except OSError as error:
        log.warning("a request failed: the system refused something", path=request.path[:100], why=str(error))
        sentence = f"the system refused what this needs ({error.strerror or 'no reason given'}): try again"
        return Reply(HTTPStatus.SERVICE_UNAVAILABLE, {"error": sentence})


async def _while_there(stream: SocketStream, handler: Handler, request: Request) -> Reply | Talk:
    """The answer, if whoever asked stays to hear it. Raises EndOfStream."""
    reply: Reply | Talk | None = None
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
                await receive(stream, 1)  # nothing more belongs to the request: whatever comes is the end of it
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        reply = await _handled(handler, request)
        tasks.cancel_scope.cancel()
    if reply is None:
        raise anyio.EndOfStream
    return reply


async def _talk(stream: SocketStream, connection: h11.Connection, talk: Talk) -> None:
    """Say that the connection stays, and go on in lines."""
    headers = [("Connection", "Upgrade"), ("Upgrade", PROTOCOL)]
    begun, _ = connection.trailing_data
    with anyio.move_on_after(READ_S) as limit:
        await stream.send(connection.send(h11.InformationalResponse(status_code=101, headers=headers)) or b"")
    if limit.cancelled_caught:
        return
    try:
        await talk(Lines(stream, begun))
    except* (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
        pass  # also out of task groups, where `suppress` does not see it
    except* (TollbridgeError, OSError) as group:
        log.warning("a session's connection is closed", why=[str(error) for error in group.exceptions])


async def _read(visit: _Visit, connection: h11.Connection, routes: Routes) -> tuple[h11.Request, Found, bytes]:
    """A whole request: its head, where it goes, and its body. Raises RemoteProtocolError, BadRequestError, EndOfStream."""
    asked: h11.Request | None = None
    found: Found | BadRequestError | None = None
    most, body = BODY_BYTES_MAX, bytearray()
    async with AsyncExitStack() as stack:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await visit.stream.receive(CHUNK))
            elif isinstance(event, h11.Request):
                asked = event
                found = find(routes, event.method.decode("ascii"), event.target.decode("ascii"))
                most = found.route.body_bytes_max if isinstance(found, Found) else most
                if _admit(event, most):
                    await stack.enter_async_context(visit.places.large)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > most:
                    raise _too_large(most)
            elif isinstance(event, h11.EndOfMessage) and asked is not None and isinstance(found, Found):
                return asked, found, bytes(body)
            else:
                raise found if isinstance(found, BadRequestError) else anyio.EndOfStream


def _admit(asked: h11.Request, most: int) -> bool:
    """Refuse what no program of ours would say, before its body is read. Whether it may be a large one."""
    headers = dict(asked.headers)
    if b"origin" in headers:
        raise BadRequestError(HTTPStatus.FORBIDDEN, "nothing here is for web pages")
    length = int(headers.get(b"content-length", b"0"))  # h11 lets only digits through
    if length > most:
        raise _too_large(most)
    return max(length, most if b"transfer-encoding" in headers else 0) > BODY_BYTES_MAX


def _upgrades(asked: h11.Request) -> bool:
    headers = {name: value.decode("latin-1").lower() for name, value in asked.headers}
    wants = [word.strip() for word in headers.get(b"connection", "").split(",")]
    return "upgrade" in wants and headers.get(b"upgrade", "").strip() == PROTOCOL


def _too_large(most: int) -> BadRequestError:
    return BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {most} bytes are read")


async def _send(stream: ByteStream, connection: h11.Connection, reply: Reply) -> None:
    if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return
    body = json.dumps(reply.fields).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    told = connection.send(h11.Response(status_code=reply.status, headers=headers)) or b""
    with suppress(h11.LocalProtocolError):  # to HEAD there is no more
        told += b"".join(connection.send(part) or b"" for part in (h11.Data(data=body), h11.EndOfMessage()))
    await stream.send(told)
