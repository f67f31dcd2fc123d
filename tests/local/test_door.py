"""The door: a socket for one user, HTTP with limits, and one sentence for everything that is refused."""

import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from gateway import lock
from gateway.local import client, door, place
from gateway.local.door import Reply, Request, Route
from gateway.local.peers import Peer
from gateway.ports import StoreError
from tests.cli.kit import ROOT
from tests.local.kit import LIMIT_S, answering, asks, sends

pytestmark = pytest.mark.anyio

GET = b"GET /echo HTTP/1.1\r\nHost: x\r\n"


async def echo(request: Request) -> Reply:
    """What came in."""
    told = {"path": request.path, "query": request.query, "body": request.body.decode(), "pid": request.peer.pid}
    return Reply(200, told)


async def fail(_request: Request) -> Reply:
    """The store is away."""
    raise StoreError("the database is locked: try again")


ROUTES = {"GET /echo": echo, "POST /echo": echo, "GET /below/": echo, "GET /fails": fail}


@pytest.fixture
def umask() -> Iterator[None]:
    """Whatever is made may be opened by everybody, as far as the process cares."""
    before = os.umask(0)
    yield
    os.umask(before)


# ----------------------------------------------------------------------------------------------------------- the socket
@pytest.mark.usefixtures("umask")
async def test_the_socket_is_its_owners_alone_under_any_umask(tmp_path: Path) -> None:
    """Attack 45: 0600 in a home of 0700, also with umask 000; and gone when the door is closed."""
    home = tmp_path / "home"
    async with answering(home, ROUTES):
        found = (home / place.SOCKET).lstat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert list(home.iterdir()) == []


async def test_a_socket_that_a_killed_gateway_left_is_replaced(tmp_path: Path) -> None:
    """Nobody listens at it any more; the home's lock says so."""
    home = lock.make_home(tmp_path / "home")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / place.SOCKET))
    with pytest.raises(client.NobodyThereError):
        await asks(home, "GET", "/echo")
    async with answering(home, ROUTES):
        assert (await asks(home, "GET", "/echo")).status == 200


async def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """A file or a link in the socket's place is not deleted, and the sentence says what to do."""
    home = lock.make_home(tmp_path / "home")
    (home / place.SOCKET).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(place.DoorError, match=r"is no socket, .* move it away"):
        async with door.opened(home):
            raise AssertionError
    assert (home / place.SOCKET).is_symlink()


@pytest.mark.skipif(not place.HAS_PROC, reason="the way through an open directory is Linux's")
async def test_a_home_with_a_long_path_has_a_door_too(tmp_path: Path) -> None:
    """The system's limit for names of sockets, about a hundred bytes, is no limit for the home."""
    home = tmp_path / ("a" * 100) / ("b" * 100)
    async with answering(home, ROUTES):
        assert (home / place.SOCKET).is_socket()
        assert (await asks(home, "GET", "/echo")).status == 200
    assert list(home.iterdir()) == []


async def test_where_a_long_path_has_no_way_around_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how long it may be."""
    monkeypatch.setattr(place, "HAS_PROC", False)
    home = lock.make_home(tmp_path / ("a" * 100))
    with pytest.raises(place.DoorError, match="too long for a socket: set TOLLBRIDGE_HOME to one of at most 87 bytes"):
        async with door.opened(home):
            raise AssertionError
    with pytest.raises(place.DoorError, match="too long"):
        await asks(home, "GET", "/echo")


# ------------------------------------------------------------------------------------------------------------- requests
async def test_a_request_comes_to_its_route_with_who_asks(tmp_path: Path) -> None:
    """Path, query and body, and the process as the kernel knows it."""
    async with answering(tmp_path / "home", ROUTES) as home:
        plain = await asks(home, "GET", "/echo?a=b")
        assert plain.fields == {"path": "", "query": "a=b", "body": "", "pid": os.getpid()}
        posted = await asks(home, "POST", "/echo", {"kind": "day"})
        assert posted.fields["body"] == '{"kind": "day"}'
        assert (await asks(home, "GET", "/below/it")).fields["path"] == "it"


async def test_what_there_is_not_is_said(tmp_path: Path) -> None:
    """An unknown path, and a known one with another method."""
    async with answering(tmp_path / "home", ROUTES) as home:
        nothing = await asks(home, "GET", "/nothing")
        assert (nothing.status, nothing.error) == (404, "there is nothing under /nothing: is it of another version?")
        other = await asks(home, "DELETE", "/below/it")
        assert (other.status, other.error) == (405, "/below/it is asked for with GET")


async def test_what_goes_wrong_behind_the_door_is_one_sentence(tmp_path: Path) -> None:
    """And the next question is answered."""
    async with answering(tmp_path / "home", ROUTES) as home:
        failed = await asks(home, "GET", "/fails")
        assert (failed.status, failed.error) == (503, "the database is locked: try again")
        assert (await asks(home, "GET", "/echo")).status == 200


@pytest.mark.parametrize("answer_s", [None, 100.0])
async def test_what_the_system_refuses_behind_the_door_is_one_sentence(tmp_path: Path, answer_s: float | None) -> None:
    """A disk that is full, a name that is too long, no more files: also where somebody waits, and the next question is answered."""

    async def refused(_request: Request) -> Reply:
        raise OSError(errno.EMFILE, "Too many open files", "/private/name")

    async with answering(tmp_path / "home", {**ROUTES, "GET /refused": Route(refused, answer_s=answer_s)}) as home:
        failed = await asks(home, "GET", "/refused")
        sentence = "the system refused what this needs (Too many open files): try again"
        assert (failed.status, failed.error) == (503, sentence)
        assert (await asks(home, "GET", "/echo")).status == 200


async def test_whom_the_system_does_not_know_any_more_is_not_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks was killed before it was looked at: nobody else notices."""

    def gone(_connected: socket.socket) -> Peer:
        raise OSError(errno.ENOTCONN, "Socket is not connected")

    async with answering(tmp_path / "home", ROUTES) as home:
        with monkeypatch.context() as patched:
            patched.setattr(door, "peer_of", gone)
            assert await sends(home, GET + b"\r\n") == (0, {})
        assert (await asks(home, "GET", "/echo")).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT /echo HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: mcp\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /echo HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: mcp\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        GET + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        GET + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        GET + b"Content-Length: 2, 2\r\n\r\n{}",
        GET + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n",
        GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
        GET + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        GET + b"\r\nGET /echo HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff\xed\xa0\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"%00" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0" * 20_000,
        b"\n" * 20_000,
    ],
)
async def test_nothing_that_can_be_said_ends_the_door(tmp_path: Path, raw: bytes) -> None:
    """Methods that nobody uses, upgrades that nobody asked for, lengths that lie: the next question is answered."""
    async with answering(tmp_path / "home", ROUTES) as home:
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.settimeout(LIMIT_S)
            stranger.connect(str(home / place.SOCKET))
            stranger.sendall(raw)
            stranger.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while await anyio.to_thread.run_sync(stranger.recv, 65_536):
                    pass
        assert (await asks(home, "GET", "/echo")).status == 200


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        (GET + b"Origin: http://localhost\r\n\r\n", 403, "nothing here is for web pages"),
        (GET + b"origin: null\r\n\r\n", 403, "nothing here is for web pages"),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n", 413, "at most 65536 bytes"),
        (
            b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n" + b"x" * 65537,
            413,
            "at most 65536 bytes",
        ),
        (GET + b"X: " + b"x" * 20_000, 431, "that is not HTTP as it is spoken here"),
        (b"hello\r\n\r\n", 400, "that is not HTTP as it is spoken here"),
        (GET + b"Content-Length: -1\r\n\r\n", 400, "that is not HTTP as it is spoken here"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400, "that is not HTTP as it is spoken here"),
    ],
    ids=["origin", "null origin", "announced", "chunked", "head", "words", "length", "tls"],
)
async def test_what_no_program_of_ours_says_is_refused(tmp_path: Path, raw: bytes, status: int, words: str) -> None:
    """Web pages, floods and garbage: a status and a sentence, and the door stays open for others."""
    async with answering(tmp_path / "home", ROUTES) as home:
        told, fields = await sends(home, raw)
        assert told == status
        assert words in fields["error"]
        assert (await asks(home, "GET", "/echo")).status == 200


async def test_who_goes_away_in_mid_sentence_is_not_missed(tmp_path: Path) -> None:
    """Half a request, or nothing, and the end: no answer, and no harm."""
    async with answering(tmp_path / "home", ROUTES) as home:
        for raw in (b"", b"GET /ec", b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12"):
            status, _ = await sends(home, raw, and_goes=True)
            assert status in (0, 400)
        assert (await asks(home, "GET", "/echo")).status == 200


async def test_who_takes_too_long_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To say what they want, and for the answer."""
    started = anyio.Event()

    async def never(_request: Request) -> Reply:
        started.set()
        await anyio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(door, "READ_S", 0.1)
    monkeypatch.setattr(door, "ANSWER_S", 0.1)
    async with answering(tmp_path / "home", {**ROUTES, "GET /never": never}) as home:
        assert await sends(home, GET) == (408, {"error": "the request did not come to its end in time"})
        slow = await asks(home, "GET", "/never")
        assert (slow.status, slow.error) == (504, "that took too long: try again")
        assert started.is_set()


async def test_connections_beyond_the_limit_wait_for_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds a place and says nothing loses it in time; then the next one is served."""
    monkeypatch.setattr(door, "CONNECTIONS_MAX", 2)
    monkeypatch.setattr(door, "READ_S", 0.3)
    async with answering(tmp_path / "home", ROUTES) as home:
        silent = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for one in silent:
            one.connect(str(home / place.SOCKET))
        with anyio.fail_after(30):
            assert (await asks(home, "GET", "/echo")).status == 200
        for one in silent:
            one.close()


# ----------------------------------------------------------------------------------------------------------- the client
async def test_without_a_gateway_the_client_says_how_to_start_one(tmp_path: Path) -> None:
    """No home, no socket, nobody behind it: the same sentence."""
    (tmp_path / "file").touch()
    for home in (tmp_path / "nowhere", lock.make_home(tmp_path / "home"), tmp_path / "file"):
        with pytest.raises(
            client.NobodyThereError,
            match=r"no Tollbridge gateway is running \(home: .*\): start it with `tollbridge up`",
        ):
            await asks(home, "GET", "/echo")


async def test_an_answer_that_is_none_is_said(tmp_path: Path) -> None:
    """The gateway ends, says something else, or nothing at all."""
    home = lock.make_home(tmp_path / "home")
    with socket.socket(socket.AF_UNIX) as strange:
        strange.bind(str(home / place.SOCKET))
        strange.listen()

        def answer(words: bytes) -> None:
            connected, _ = strange.accept()
            with connected:
                connected.recv(65536)
                connected.sendall(words)

        for words, sentence in (
            (b"", "ended before it answered"),
            (b"220 smtp ready\r\n", "ended before it answered"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "cannot be read"),
        ):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.to_thread.run_sync, answer, words)
                with pytest.raises(client.NoAnswerError, match=sentence):
                    await asks(home, "GET", "/echo")
        with pytest.raises(client.NoAnswerError, match="does not answer"):
            await anyio.to_thread.run_sync(lambda: client.ask(home, "GET", "/echo", patience_s=0.05))


def test_the_client_imports_the_standard_library_only() -> None:
    """Commands and hooks that knock start often: nothing heavy is loaded for it."""
    code = (
        "import sys; import gateway.local.client; "
        "print({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - set(sys.builtin_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert sorted(done.stdout.strip("{}\n").replace("'", "").split(", ")) == ["__main__", "gateway"]
