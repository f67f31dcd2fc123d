"""The loopback listener: who is let in, and the limits of everything."""

import json
import os
import socket
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway import listener
from gateway.config import SettingsError, settings_from
from gateway.local import loopback, token
from gateway.local.loopback import LoopbackError, answering, bound
from gateway.local.token import TokenError, handle_of, renew, session_of, token_of
from tests.mcp_servers.budget_kit import LIMIT_S, Listening, listening

pytestmark = pytest.mark.anyio

PATHS = ("/mcp", "/v1/logs", "/nothing")


@asynccontextmanager
async def echo(home: Path) -> AsyncGenerator[tuple[Listening, list[bytes]]]:
    """A listener whose routes note each body that reaches them."""
    heard: list[bytes] = []

    async def handle(request: Request) -> Response:
        heard.append(await request.body())
        return JSONResponse({"bytes": len(heard[-1])})

    routes = {"/mcp": answering("POST", handle), "/v1/logs": answering("POST", handle)}
    async with listening(routes, home) as there:
        yield there, heard


async def sends(there: Listening, raw: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Bytes as they are; the status, headers and object that come back; 0 if nothing does."""

    def converse() -> bytes:
        with socket.create_connection(("127.0.0.1", there.port), LIMIT_S) as connection:
            connection.sendall(raw)
            told = b""
            try:
                while part := connection.recv(65536):
                    told += part
            except ConnectionResetError:
                pass
            return told

    told = await anyio.to_thread.run_sync(converse)
    if not told:
        return 0, {}, {}
    head, _, body = told.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, json.loads(body) if "json" in headers.get("content-type", "") else {}


def asking(there: Listening, path: str = "/mcp", body: bytes = b"{}", method: str = "POST", **headers: str) -> bytes:
    """A request that would be let in, but for the headers that are given; an empty one is left out."""
    usual = {
        "host": f"127.0.0.1:{there.port}",
        "authorization": f"Bearer {there.token}",
        "content-length": str(len(body)),
        "connection": "close",
    }
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in (usual | given).items() if value]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body


# ---------------------------------------------------------------------------------------------------------- who gets in
async def test_who_bears_the_token_is_let_in(tmp_path: Path) -> None:
    """By any name of this machine, from no page or one of its own."""
    async with echo(tmp_path / "home") as (there, heard):
        for host in ("127.0.0.1", "localhost", "[::1]", "LocalHost"):
            origin = f"http://{host}:{there.port}"
            status, headers, _ = await sends(there, asking(there, host=f"{host}:{there.port}", origin=origin))
            assert status == 200
            assert not [name for name in headers if name.startswith("access-control")]
        assert heard == [b"{}"] * 4


@pytest.mark.parametrize("path", PATHS)
async def test_another_host_is_refused_on_every_route(tmp_path: Path, path: str) -> None:
    """Attack 53: a name that was made to lead here (DNS rebinding) is not this machine's, whatever the port and the token."""
    async with echo(tmp_path / "home") as (there, heard):
        for host in (
            "evil.example",
            f"evil.example:{there.port}",
            "127.0.0.1",
            "127.0.0.1:1",
            f"127.0.0.1.x:{there.port}",
        ):
            status, _, said = await sends(there, asking(there, path, host=host))
            assert (status, "host" in said["error"]) == (403, True)
        twice = asking(there, path).replace(b"\r\n", f"\r\nHost: localhost:{there.port}\r\n".encode(), 1)
        assert (await sends(there, twice))[0] in (400, 403)
        assert heard == []


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_of_another_origin_is_refused_on_every_route(tmp_path: Path, path: str) -> None:
    """Attacks 53 and 54: cross-site requests and WebSockets are refused, preflights too, and no page is allowed anything."""
    async with echo(tmp_path / "home") as (there, heard):
        own = f"http://127.0.0.1:{there.port}"
        for origin in (
            "https://evil.example",
            "null",
            "http://127.0.0.1:1",
            "http://127.0.0.1",
            own.replace("http", "https"),
        ):
            status, headers, said = await sends(there, asking(there, path, origin=origin))
            assert (status, said["error"]) == (403, "nothing here is for web pages")
            assert not [name for name in headers if name.startswith("access-control")]
        both = asking(there, path, origin=own).replace(b"\r\n", b"\r\nOrigin: https://evil.example\r\n", 1)
        assert (await sends(there, both))[0] == 403
        preflight = asking(there, path, method="OPTIONS", authorization="", origin="https://evil.example")
        assert (await sends(there, preflight))[0] == 403
        socket_of_page = asking(
            there, path, b"", "GET", upgrade="websocket", connection="Upgrade, close", origin="https://evil.example"
        )
        assert (await sends(there, socket_of_page))[0] == 403
        assert heard == []


@pytest.mark.parametrize("path", PATHS)
async def test_being_local_excuses_from_nothing(tmp_path: Path, path: str) -> None:
    """Attack 55: without the whole token in its header there is no way in, and which routes there are is not told."""
    async with echo(tmp_path / "home") as (there, heard):
        right = there.token
        wrong = (
            "",
            right,
            f"Basic {right}",
            "Bearer",
            "Bearer ",
            f"Bearer {right[:-1]}",
            f"Bearer {right}x",
            "Bearer \xff\xe9",
        )
        for borne in wrong:
            status, headers, said = await sends(there, asking(there, path, authorization=borne))
            assert (status, headers["www-authenticate"]) == (401, "Bearer")
            assert right not in said["error"]
        twice = asking(there, path).replace(b"\r\n", b"\r\nAuthorization: Bearer x\r\n", 1)
        assert (await sends(there, twice))[0] == 401
        forwarded = asking(there, path, authorization="", x_forwarded_for="127.0.0.1")
        assert (await sends(there, forwarded))[0] == 401
        assert heard == []


@pytest.mark.parametrize("query", ["access_token={}", "token={}", "x=1&token={}", "{}"])
async def test_a_token_in_a_query_is_refused(tmp_path: Path, query: str) -> None:
    """Attack 56: queries end up in logs and histories; not even beside the right header is one taken."""
    async with echo(tmp_path / "home") as (there, heard):
        for borne in ("", f"Bearer {there.token}"):
            path = f"/mcp?{query.format(there.token)}"
            status, _, said = await sends(there, asking(there, path, authorization=borne))
            assert (status, "Authorization header" in said["error"]) == (400, True)
            assert there.token not in said["error"]
        assert heard == []


async def test_who_is_refused_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """Attack 52: a wrong token with a body that never comes is answered at once."""
    async with echo(tmp_path / "home") as (there, _):
        with anyio.fail_after(listener.READ_S / 2):
            late = asking(there, body=b"", authorization="Bearer x", content_length="1000")
            assert (await sends(there, late))[0] == 401


# --------------------------------------------------------------------------------------------------------------- limits
async def test_a_body_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """By the length that it says, or, where it says none, as soon as it is too long."""
    async with echo(tmp_path / "home") as (there, heard):
        said_so = asking(there, body=b"", content_length=str(loopback.BODY_BYTES_MAX + 1))
        assert (await sends(there, said_so))[0] == 413
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        chunked = asking(there, body=b"", content_length="", transfer_encoding="chunked")
        assert (await sends(there, chunked + chunk * 65))[0] in (413, 0)
        assert heard == []


async def test_slow_and_silent_connections_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that says nothing, half a head, or half a body is not waited for."""
    monkeypatch.setattr(listener, "READ_S", 0.2)
    async with echo(tmp_path / "home") as (there, heard):
        with anyio.fail_after(LIMIT_S):
            assert (await sends(there, b""))[0] == 0
            assert (await sends(there, asking(there)[:40]))[0] == 0
            status, _, said = await sends(there, asking(there, body=b"", content_length="10") + b"half")
            assert (status, said["error"]) == (408, "the request did not come to its end in time")
            kept = asking(there, connection="keep-alive")
            assert (await sends(there, kept + b"POST /mcp HT"))[0] == 200
        assert heard == [b"{}"]


async def test_an_answer_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked is told so."""
    monkeypatch.setattr(loopback, "ANSWER_S", 0.1)

    async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await anyio.sleep_forever()

    async with listening({"/mcp": never}, tmp_path / "home") as there:
        assert (await sends(there, asking(there)))[0] == 504


async def test_one_connection_too_many_is_closed_and_the_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places are limited, and free again when somebody leaves."""
    monkeypatch.setattr(listener, "CONNECTIONS_MAX", 2)
    async with echo(tmp_path / "home") as (there, _), anyio.create_task_group() as tasks:
        streams = [await anyio.connect_tcp("127.0.0.1", there.port) for _ in range(2)]
        for stream in streams:
            await stream.send(asking(there, connection="keep-alive"))
            assert (await stream.receive()).startswith(b"HTTP/1.1 200")
        assert (await sends(there, asking(there)))[0] == 0
        for stream in streams:
            await stream.aclose()
        with anyio.fail_after(LIMIT_S):
            while (await sends(there, asking(there)))[0] != 200:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


async def test_a_route_is_found_by_its_path_and_method(tmp_path: Path) -> None:
    """Others are said not to be there, in a sentence."""
    async with echo(tmp_path / "home") as (there, _):
        assert await _said(there, asking(there, "/nothing")) == (404, "there is /mcp, /v1/logs")
        assert await _said(there, asking(there, method="GET", body=b"")) == (405, "this is asked by POST")


async def _said(there: Listening, raw: bytes) -> tuple[int, str]:
    status, _, said = await sends(there, raw)
    return status, said["error"]


async def test_the_listener_closes_what_is_open_when_it_ends(tmp_path: Path) -> None:
    """A gateway that stops waits for no client, and its port is free again."""
    with anyio.fail_after(LIMIT_S):
        async with echo(tmp_path / "home") as (there, _):
            open_still = await anyio.connect_tcp("127.0.0.1", there.port)
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await open_still.receive()
        await open_still.aclose()
        bound("127.0.0.1", there.port).close()


def test_a_port_that_is_taken_is_said_to_be() -> None:
    """With the setting's name, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LoopbackError, match=f"local.listen: nothing can listen on 127.0.0.1 port {port}"):
            bound("127.0.0.1", port)


# ------------------------------------------------------------------------------------------------------------ the token
async def test_another_token_counts_at_once_and_the_one_before_no_more(tmp_path: Path) -> None:
    """Attack 49: also in a gateway that runs; and what was made of the old one is worth nothing."""
    async with echo(tmp_path / "home") as (there, _):
        before, old = asking(there), there.token
        handle = handle_of(old, "s_1")
        assert (await sends(there, before))[0] == 200
        renew(there.home)
        assert (await sends(there, before))[0] == 401
        assert (await sends(there, asking(there)))[0] == 200
        assert session_of(old, handle) == "s_1"
        assert session_of(there.token, handle) is None


async def test_a_token_that_cannot_be_read_lets_nobody_in(tmp_path: Path) -> None:
    """The listener goes on, and says in the log why."""
    async with echo(tmp_path / "home") as (there, _):
        request = asking(there)
        (there.home / token.FILE).chmod(0o644)
        assert (await sends(there, request))[0] == 401


def test_the_token_is_made_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    """Whatever the umask is; a file that is open, a link, or no token is not taken."""
    before = os.umask(0)
    try:
        first = token_of(tmp_path)
    finally:
        os.umask(before)
    file = tmp_path / token.FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token_of(tmp_path) == first
    assert len(first) >= 43
    assert renew(tmp_path) != first
    assert [path.name for path in tmp_path.iterdir()] == [token.FILE]
    file.write_text("short")
    with pytest.raises(TokenError, match="holds no token"):
        token_of(tmp_path)
    file.chmod(0o640)
    with pytest.raises(TokenError, match="is open to others"):
        token_of(tmp_path)
    file.unlink()
    (tmp_path / "elsewhere").write_text(first)
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TokenError, match="cannot be read or made"):
        token_of(tmp_path)
    with pytest.raises(TokenError, match="cannot be"):
        token_of(tmp_path / "nowhere")
    with pytest.raises(TokenError, match="cannot be written"):
        renew(tmp_path / "nowhere")


@pytest.mark.parametrize("change", ["{0}x", "x{0}", "{1}", "{1}.", ".{2}", "s_2.{2}", "{2}", "", "{0}\0", "{0}é"])
def test_a_handle_that_was_tampered_with_names_no_session(change: str) -> None:
    """Attack 60: it is bound to its session and to the token; plain ids name nothing."""
    handle = handle_of("t" * 43, "s_1")
    assert session_of("t" * 43, handle) == "s_1"
    session_id, _, mac = handle.rpartition(".")
    assert session_of("t" * 43, change.format(handle, session_id, mac)) is None


# ---------------------------------------------------------------------------------------------------------- the setting
@pytest.mark.parametrize(
    ("written", "place"),
    [("127.0.0.1:8731", ("127.0.0.1", 8731)), ("[::1]:80", ("::1", 80)), ("127.0.0.2:1", ("127.0.0.2", 1))],
)
def test_the_setting_takes_addresses_of_this_machine(tmp_path: Path, written: str, place: tuple[str, int]) -> None:
    """An address that nobody else reaches, and a port."""
    found = settings_from(f'[local]\nlisten = "{written}"', {}, tmp_path).local.listen
    assert found == place
    assert settings_from("", {}, tmp_path).local.listen is None
    assert settings_from("", {"TOLLBRIDGE_LOCAL__LISTEN": written}, tmp_path).local.listen == place


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('"0.0.0.0:8731"', "0.0.0.0 can be reached from elsewhere"),
        ('"[::]:8731"', ":: can be reached from elsewhere"),
        ('"192.168.1.2:8731"', "can be reached from elsewhere"),
        ('"localhost:8731"', "write an address of this machine alone and a port"),
        ('"8731"', "write an address of this machine alone and a port"),
        ("8731", "write an address of this machine alone and a port"),
        ('"127.0.0.1:0"', "write a port between 1 and 65535"),
        ('"127.0.0.1:65536"', "write a port between 1 and 65535"),
        ('"127.0.0.1:"', "write a port between 1 and 65535"),
        ("true", "write an address of this machine alone"),
    ],
)
def test_the_setting_takes_no_other_place(tmp_path: Path, written: str, words: str) -> None:
    """What could be reached from elsewhere is refused, and says what to write."""
    with pytest.raises(SettingsError, match=r"local\.listen") as error:
        settings_from(f"[local]\nlisten = {written}", {}, tmp_path)
    assert words in str(error.value)
