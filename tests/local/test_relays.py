"""Connections that stay: who is let in, lines both ways, and limits that leave the door open for others."""

import errno
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketStream

from gateway.agents.claude.desk import SESSIONS_MAX
from gateway.local import door, lines, relays
from gateway.local.door import Reply, Request, Route, Talk
from gateway.local.lines import Lines
from gateway.local.place import SOCKET
from gateway.ports import TollbridgeError
from tests.fakes.desk_gateway import DeskGateway
from tests.local.kit import answering, asks, sends

pytestmark = pytest.mark.anyio

LIMIT_S = 30
HELLO = {"version": 1, "session": "abc"}
UPGRADE = "Connection: Upgrade\r\nUpgrade: mcp\r\n"


def knock(path: str = "/v1/relay/channel", hello: object = HELLO, headers: str = UPGRADE) -> bytes:
    """What a relay says at the door."""
    body = json.dumps(hello).encode()
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def let_in(home: Path, more: bytes = b"") -> AsyncGenerator[SocketStream]:
    """A connection that was upgraded, with what was said in the same breath."""
    async with await anyio.connect_unix(str(home / SOCKET)) as stream:
        with anyio.fail_after(LIMIT_S):
            await stream.send(knock() + more)
            assert (await stream.receive(12)) == b"HTTP/1.1 101"
            told = b""
            while not told.endswith(b"\r\n\r\n"):
                told += await stream.receive(1)
            assert b"upgrade: mcp" in told.lower()
            yield stream


async def line(stream: SocketStream) -> bytes:
    """The next line."""
    told = b""
    while not told.endswith(b"\n"):
        told += await stream.receive(1)
    return told


async def echo(_hello: relays.Hello, stream: Lines) -> None:
    """Each line, backwards."""
    async for one in stream:
        await stream.send(one[::-1])


async def judge(_hook: relays.Hook) -> dict[str, str]:
    """Go on."""
    return {}


ECHO = relays.routes({"channel": echo}, judge, 100)


async def test_a_connection_stays_and_carries_lines_both_ways(tmp_path: Path) -> None:
    """Also those that came in the same breath as the request; empty ones are passed over, half ones at the end are none."""
    async with answering(tmp_path / "home", ECHO) as home, let_in(home, b"one\n\n \r\ntwo\r\nth") as stream:
        assert await line(stream) == b"eno\n"
        assert await line(stream) == b"owt\n"
        await stream.send(b"ree\nhalf")
        assert await line(stream) == b"eerht\n"
        await stream.send_eof()
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        (knock(headers=""), 426, "this connection stays: upgrade it to mcp"),
        (knock(headers="Upgrade: mcp\r\n"), 426, "upgrade it to mcp"),
        (knock(headers="Connection: Upgrade\r\nUpgrade: websocket\r\n"), 426, "upgrade it to mcp"),
        (knock("/v1/relay/other"), 404, "there is nothing under /v1/relay/other"),
        (knock(headers=UPGRADE + "Origin: http://localhost\r\n"), 403, "nothing here is for web pages"),
        (knock(hello={**HELLO, "version": 2}), 400, "this gateway knows relays of version 1, not 2"),
        (knock(hello={**HELLO, "session": 5}), 400, "session: Input should be a valid string"),
        (knock(hello={**HELLO, "session": "x" * 5000}), 400, "session: String should have at most"),
        (knock(hello=[]), 400, "Input should be an object"),
        (knock("/v1/hooks/..", headers=""), 404, "there is no event"),
        (knock("/v1/hooks/", headers=""), 404, "there is no event"),
        (knock("/v1/hooks/" + "x" * 41, headers=""), 404, "there is no event"),
    ],
)
async def test_who_is_not_let_in_hears_why(tmp_path: Path, raw: bytes, status: int, words: str) -> None:
    """A status and a sentence, as everywhere at this door; nobody behind it hears of them."""
    desk = DeskGateway()
    async with answering(tmp_path / "home", desk.routes) as home:
        told, fields = await sends(home, raw)
    assert told == status
    assert words in fields["error"]
    assert (desk.hellos, desk.hooks) == ([], [])


async def test_an_upgrade_that_nobody_wants_is_an_ordinary_request(tmp_path: Path) -> None:
    """As HTTP has it: whoever answers need not take it."""
    async with answering(tmp_path / "home", ECHO) as home:
        assert await sends(home, knock("/v1/hooks/Stop")) == (200, {})


async def test_connections_that_stay_take_no_place_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond their own limit they are refused, and requests are answered as ever."""
    monkeypatch.setattr(door, "CONNECTIONS_MAX", 1)
    monkeypatch.setattr(door, "TALKS_MAX", 2)
    gone = anyio.Event()

    async def noted(hello: relays.Hello, stream: Lines) -> None:
        await echo(hello, stream)
        gone.set()

    async with answering(tmp_path / "home", relays.routes({"channel": noted}, judge, 100)) as home:
        async with let_in(home), let_in(home):
            status, fields = await sends(home, knock())
            assert (status, "too many sessions are connected already" in fields["error"]) == (503, True)
            assert (await asks(home, "POST", "/v1/hooks/Stop", {})).status == 200
        with anyio.fail_after(LIMIT_S):
            await gone.wait()
        async with let_in(home, b"again\n") as stream:
            assert await line(stream) == b"niaga\n"


async def test_answers_that_take_long_take_no_place_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whoever goes away in the meantime is not waited for."""
    monkeypatch.setattr(door, "CONNECTIONS_MAX", 1)
    monkeypatch.setattr(door, "LONG_MAX", 1)
    waits, gone = anyio.Event(), anyio.Event()

    async def hold(_request: Request) -> Reply:
        waits.set()
        try:
            await anyio.sleep_forever()
        finally:
            gone.set()
        raise AssertionError

    routes = {**ECHO, "POST /wait": Route(hold, answer_s=100), "POST /short": Route(hold, answer_s=0.05)}
    async with answering(tmp_path / "home", routes) as home:
        async with await anyio.connect_unix(str(home / SOCKET)) as stream:
            await stream.send(b"POST /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            with anyio.fail_after(LIMIT_S):
                await waits.wait()
            full = await asks(home, "POST", "/wait", {})
            assert (full.status, full.error) == (503, "too many others wait for an answer already: try again")
            assert not gone.is_set()
        with anyio.fail_after(LIMIT_S):
            await gone.wait()
        assert (await asks(home, "POST", "/short", {})).status == 504


async def test_what_fails_while_an_answer_is_waited_for_is_one_sentence(tmp_path: Path) -> None:
    """As for any other request."""

    async def fail(_hook: relays.Hook) -> dict[str, str]:
        raise TollbridgeError("the database is locked: try again")

    async with answering(tmp_path / "home", relays.routes({}, fail, 100)) as home:
        told = await asks(home, "POST", "/v1/hooks/Stop", {})
    assert (told.status, told.error) == (503, "the database is locked: try again")


async def test_a_session_that_fails_ends_alone(tmp_path: Path) -> None:
    """Its connection is closed, out of whatever depth, and the door stays open."""

    async def fail(hello: relays.Hello, stream: Lines) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(echo, hello, stream)
            raise TollbridgeError("the store is away")

    async with answering(tmp_path / "home", {**ECHO, **relays.routes({"channel": fail}, judge, 100)}) as home:
        async with let_in(home) as stream:
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
        assert (await asks(home, "POST", "/v1/hooks/Stop", {})).status == 200


async def test_larger_bodies_are_read_only_where_they_are_wanted(tmp_path: Path) -> None:
    """Announced or in chunks: up to what the route takes."""
    seen: list[int] = []

    async def count(request: Request) -> Reply:
        seen.append(len(request.body))
        return Reply(200, {})

    routes = {"POST /large": Route(count, 200_000), "POST /small": count}
    async with answering(tmp_path / "home", routes) as home:
        for path, size, status in (("large", 200_000, 200), ("large", 200_001, 413), ("small", 65_537, 413)):
            head = f"POST /{path} HTTP/1.1\r\nHost: x\r\n".encode()
            whole = head + b"Content-Length: %d\r\n\r\n" % size + b"x" * size
            chunks = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"
            assert [(await sends(home, raw))[0] for raw in (whole, chunks)] == [status, status]
    assert seen == [200_000, 200_000]


async def test_a_line_that_is_too_long_ends_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an end or without one."""
    monkeypatch.setattr(lines, "LINE_BYTES_MAX", 100)
    async with answering(tmp_path / "home", ECHO) as home:
        for said in (b"x" * 100_000, b"x" * 101 + b"\n"):
            async with let_in(home, said) as stream:
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    await stream.receive()
        async with let_in(home, b"x" * 100 + b"\n") as stream:
            assert await line(stream) == b"x" * 100 + b"\n"
    with pytest.raises(ValueError, match="a line has no end in it"):
        await Lines(stream).send(b"a\nb")


async def test_a_line_that_is_too_long_to_be_sent_ends_that_connection_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it goes out, whoever sends hears that the other end is gone, and the door stays open."""
    monkeypatch.setattr(lines, "LINE_BYTES_MAX", 100)
    heard: list[str] = []

    async def tell(_hello: relays.Hello, stream: Lines) -> None:
        try:
            await stream.send(b"x" * 101)
        except anyio.BrokenResourceError as error:
            heard.append(type(error).__name__)
            raise

    async with answering(tmp_path / "home", relays.routes({"channel": tell}, judge, 100)) as home:
        async with let_in(home) as stream:
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
        assert (await asks(home, "POST", "/v1/hooks/Stop", {})).status == 200
    assert heard == ["BrokenResourceError"]


async def test_a_session_whose_system_calls_fail_ends_alone(tmp_path: Path) -> None:
    """No file can be opened any more: its connection is closed, out of whatever depth, and the door stays open."""

    async def fail(hello: relays.Hello, stream: Lines) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(echo, hello, stream)
            raise OSError(errno.EMFILE, "Too many open files")

    async with answering(tmp_path / "home", relays.routes({"channel": fail}, judge, 100)) as home:
        async with let_in(home) as stream:
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
        assert (await asks(home, "POST", "/v1/hooks/Stop", {})).status == 200


async def test_who_does_not_take_the_word_that_the_connection_stays_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is served on it, and the door stays open."""
    served: list[relays.Hello] = []

    async def serve(hello: relays.Hello, _stream: Lines) -> None:
        served.append(hello)

    routes = relays.routes({"channel": serve}, judge, 100)

    async def greet(request: Request) -> Reply | Talk:
        monkeypatch.setattr(door, "READ_S", 0)
        handler = routes["POST /v1/relay/channel"]
        assert not isinstance(handler, Route)
        return await handler(request)

    async with answering(tmp_path / "home", {**routes, "POST /v1/relay/channel": greet}) as home:
        async with await anyio.connect_unix(str(home / SOCKET)) as stream:
            await stream.send(knock())
            with anyio.fail_after(LIMIT_S), pytest.raises(anyio.EndOfStream):
                await stream.receive()
        monkeypatch.setattr(door, "READ_S", LIMIT_S)
        assert (await asks(home, "POST", "/v1/hooks/Stop", {})).status == 200
    assert served == []


async def test_bodies_that_wait_for_their_answers_take_no_more_memory_than_there_is_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A further large one is refused, a small one is not; and what was taken is free again once it is over."""
    monkeypatch.setattr(door, "HELD_BYTES_MAX", 150_000)
    waits = anyio.Event()

    async def hold(request: Request) -> Reply:
        if request.body.startswith(b"wait"):
            waits.set()
            await anyio.sleep_forever()
        return Reply(200, {})

    def post(body: bytes) -> bytes:
        return b"POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async with answering(tmp_path / "home", {"POST /hold": Route(hold, 200_000, answer_s=100)}) as home:
        async with await anyio.connect_unix(str(home / SOCKET)) as stream:
            with anyio.fail_after(LIMIT_S):
                await stream.send(post(b"wait" + b"x" * 100_000))
                await waits.wait()
            status, fields = await sends(home, post(b"x" * 100_000))
            assert (status, fields) == (503, {"error": "too much waits for an answer already: try again"})
            assert await sends(home, post(b"x" * 60_000)) == (200, {})
        with anyio.fail_after(LIMIT_S):
            while (await sends(home, post(b"x" * 100_000)))[0] != 200:
                await anyio.lowlevel.checkpoint()


def test_every_session_that_is_followed_finds_its_places() -> None:
    """Its channel and its budget stay connected, and several hooks of it may wait at once."""
    assert door.TALKS_MAX >= 2 * SESSIONS_MAX
    assert door.LONG_MAX >= 4 * SESSIONS_MAX


async def test_who_leaves_lines_unread_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the end; and whoever else wanted to send there hears of it too."""
    monkeypatch.setattr(lines, "WRITE_S", 0.1)
    broken: list[bool] = []
    done = anyio.Event()

    async def flood(_hello: relays.Hello, stream: Lines) -> None:
        async def send() -> None:
            try:
                while True:
                    await stream.send(b"x" * 1_000_000)
            except anyio.BrokenResourceError:
                broken.append(True)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            tasks.start_soon(send)
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        done.set()

    async with answering(tmp_path / "home", relays.routes({"channel": flood}, judge, 100)) as home, let_in(home):
        with anyio.fail_after(LIMIT_S):
            await done.wait()
    assert broken == [True, True]


async def test_the_doors_end_closes_what_stays_open(tmp_path: Path) -> None:
    """Whoever is connected sees the end of it, after whole lines only."""
    with socket.socket(socket.AF_UNIX) as client:
        async with answering(tmp_path / "home", ECHO) as home:
            client.connect(str(home / SOCKET))
            client.settimeout(LIMIT_S)
            client.sendall(knock() + b"one\n")
            told = await anyio.to_thread.run_sync(_until, client, b"eno\n")
            assert told.startswith(b"HTTP/1.1 101")
        assert client.recv(100) == b""


def _until(client: socket.socket, mark: bytes) -> bytes:
    told = b""
    while mark not in told:
        told += client.recv(4096)
    return told


async def test_a_handler_decides_whether_a_connection_stays(tmp_path: Path) -> None:
    """The same route may refuse: that is an answer like any other."""

    async def either(request: Request) -> Reply | Talk:
        async def talk(stream: Lines) -> None:
            await stream.send(b"welcome")

        return talk if json.loads(request.body)["session"] else Reply(409, {"error": "which session?"})

    async with answering(tmp_path / "home", {"POST /v1/relay/channel": either}) as home:
        async with let_in(home) as stream:
            assert await line(stream) == b"welcome\n"
        assert await sends(home, knock(hello={"session": ""})) == (409, {"error": "which session?"})
