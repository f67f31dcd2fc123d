"""The way to the Bot API server: proxies that see what they have to and no more, and a server of one's own with its files on the disk."""

import base64
import logging
import os
import traceback
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from gateway.chats.telegram import TelegramChat, check_token
from gateway.chats.telegram.bot import TelegramBot
from gateway.chats.telegram.proxies import way
from gateway.chats.telegram.unsaid import redact
from gateway.cli import bot_api
from gateway.domain.place import Thread
from gateway.ports import Delayed, Delivered, Post, Saved, TollbridgeError
from tests.chats.test_telegram_receive import receiving
from tests.fakes.bot_api import TOKEN, BotApi, Phone

pytestmark = pytest.mark.anyio

FAR = "http://telegram.example/bot"
PASSWORD = "pass-of-the-proxy"


class ForwardProxy:
    """An HTTP proxy that knows one place: it keeps the first lines and credentials that it was sent; CONNECT it refuses."""

    def __init__(self, port: int, to: int) -> None:
        self.port = port
        self.to = to
        self.lines: list[str] = []
        self.credentials: set[str] = set()

    async def serve(self, stream: SocketStream) -> None:
        """One request, of which the answer ends with the connection."""
        async with stream:
            read = b""
            while b"\r\n\r\n" not in read:
                read += await stream.receive()
            head, _, body = read.partition(b"\r\n\r\n")
            first, *headers = head.decode().split("\r\n")
            self.lines.append(first)
            named = dict(line.lower().split(": ", 1) for line in headers)
            self.credentials |= {line.split(": ", 1)[1] for line in headers if line.lower().startswith("proxy-auth")}
            method, target, version = first.split(" ")
            if method == "CONNECT":
                await stream.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            while len(body) < int(named.get("content-length", "0")):
                body += await stream.receive()
            path = "/" + target.split("/", 3)[3]
            kept = [line for line in headers if not line.lower().startswith(("proxy-", "connection"))]
            async with await anyio.connect_tcp("127.0.0.1", self.to) as there:
                passed = "\r\n".join([f"{method} {path} {version}", *kept, "Connection: close", "", ""])
                await there.send(passed.encode() + body)
                async for data in there:
                    await stream.send(data)


@asynccontextmanager
async def forward_proxy(server: BotApi) -> AsyncGenerator[ForwardProxy]:
    """A proxy that leads to the stand-in whatever it is asked for."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - it is anyio's
    proxy = ForwardProxy(port, int(server.base_url.split(":")[2].split("/")[0]))

    async def serve(stream: SocketStream) -> None:
        with suppress(anyio.BrokenResourceError, anyio.EndOfStream):  # the client went away
            await proxy.serve(stream)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield proxy
        tasks.cancel_scope.cancel()


async def uses(chat: TelegramChat, server: BotApi, alice: Phone, place: Path) -> None:
    """Everything that the gateway does over Telegram: poll, answer, download."""
    alice.sends_document(b"five!")
    file_id = alice.screen()[-1].data["document"]["file_id"]
    async with receiving(chat) as inbox:
        await inbox.holds(1)
        await server.until(lambda: not server.pending)
    [body] = chat.compose("hi", ())
    assert isinstance(await chat.deliver(Post(1, Thread("telegram", "4711"), "r", body)), Delivered)
    assert await chat.fetch(file_id, str(place / "a"), 1_000) == Saved(5)


# -------------------------------------------------------------------------------------------------------------- proxies
async def test_calls_polls_and_downloads_go_through_the_proxy(server: BotApi, alice: Phone, tmp_path: Path) -> None:
    """All of them, with its user and password; the environment's proxy is not asked then."""
    async with forward_proxy(server) as proxy:
        address = f"http://me:{PASSWORD}@127.0.0.1:{proxy.port}"
        async with TelegramChat(server.token, FAR, poll_s=1, retry_ms=10, proxy=address) as chat:
            await uses(chat, server, alice, tmp_path)
        await check_token(server.token, FAR, address)
        await anyio.to_thread.run_sync(bot_api.webhook, server.token, FAR, address)
    assert all(line.split(" ")[1].startswith("http://telegram.example/") for line in proxy.lines)
    asked = "".join(proxy.lines)
    assert all(what in asked for what in ("getUpdates", "sendMessage", "/file/bot", "getMe", "getWebhookInfo"))
    assert proxy.credentials == {f"Basic {base64.b64encode(f'me:{PASSWORD}'.encode()).decode()}"}


async def test_to_an_https_server_a_proxy_sees_only_where(server: BotApi) -> None:
    """CONNECT and the host: neither token nor method; refused, it is a message that has not left."""
    async with forward_proxy(server) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        async with TelegramChat(server.token, proxy=address) as chat:
            [body] = chat.compose("hi", ())
            receipt = await chat.deliver(Post(1, Thread("telegram", "4711"), "r", body))
        with pytest.raises(TollbridgeError, match="cannot be reached") as caught:
            await anyio.to_thread.run_sync(bot_api.webhook, server.token, "https://api.telegram.org/bot", address)
    assert isinstance(receipt, Delayed)
    assert set(proxy.lines) == {"CONNECT api.telegram.org:443 HTTP/1.1"}
    assert server.token not in "".join(traceback.format_exception(caught.value))
    assert server.log == []


async def test_a_server_on_this_machine_is_asked_directly(
    server: BotApi, alice: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever proxy the settings or the environment name."""
    async with forward_proxy(server) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, address)
        async with TelegramChat(server.token, server.base_url, poll_s=1, retry_ms=10, proxy=address) as chat:
            await uses(chat, server, alice, tmp_path)
        await anyio.to_thread.run_sync(bot_api.webhook, server.token, server.base_url, address)
        assert proxy.lines == []
        await anyio.to_thread.run_sync(bot_api.webhook, server.token, FAR)
        assert proxy.lines == [f"POST http://telegram.example/bot{server.token}/getWebhookInfo HTTP/1.1"]


async def test_a_proxys_password_is_in_no_log_and_no_error(server: BotApi, caplog: pytest.LogCaptureFixture) -> None:
    """Neither as it is written, nor as it is sent."""
    address = f"http://me:{PASSWORD}%2F1@127.0.0.1:1"
    async with TelegramChat(server.token, FAR, proxy=address) as chat:
        for name in ("", "httpx", "httpcore", "telegram"):
            caplog.set_level(logging.DEBUG, logger=name)
        said = [repr(await chat.introduce()), repr(chat), repr(chat.__dict__)]
    with pytest.raises(TollbridgeError) as caught:
        await check_token(server.token, FAR, address)
    said.append("".join(traceback.format_exception(caught.value)))
    sent = base64.b64encode(f"me:{PASSWORD}/1".encode()).decode()
    text = caplog.text + repr([record.__dict__ for record in caplog.records]) + "".join(said)
    assert PASSWORD not in text
    assert sent not in text
    assert redact(f"{address} {PASSWORD}/1 {sent}").count("<proxy password>") == 3
    way(FAR, "http://me:short@127.0.0.1:1")
    assert redact("In short: me:short@") == "In short: <proxy password>@"


def test_a_socks_proxy_without_its_package_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start, and what else would do; with the package it is used."""
    monkeypatch.setattr("gateway.chats.telegram.proxies.find_spec", lambda _name: None)
    with pytest.raises(TollbridgeError, match=r'pip install "httpx\[socks\]"'):
        way(FAR, "socks5://127.0.0.1:1080")
    monkeypatch.setattr("gateway.chats.telegram.proxies.find_spec", lambda _name: object())
    assert way(FAR, "socks5://127.0.0.1:1080") == {"proxy": "socks5://127.0.0.1:1080"}


@pytest.mark.parametrize("name", ["ALL_PROXY", "https_proxy"])
def test_so_does_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Instead of a traceback; to a server on this machine it does not matter, and beside telegram.proxy neither."""
    monkeypatch.setenv(name, "socks5h://127.0.0.1:1080")
    monkeypatch.setattr("gateway.chats.telegram.proxies.find_spec", lambda _name: None)
    with pytest.raises(TollbridgeError, match=r'_PROXY in the environment is a SOCKS proxy.*"httpx\[socks\]"'):
        TelegramChat(TOKEN)
    TelegramChat(TOKEN, "http://localhost:8081/bot")
    TelegramChat(TOKEN, proxy="http://127.0.0.1:3128")


# --------------------------------------------------------------------------------------------- a server of one's own
@asynccontextmanager
async def own_server(place: Path) -> AsyncGenerator[tuple[BotApi, Phone, TelegramChat]]:
    """A server with `--local` that keeps its files below this directory, and a chat that takes them there."""
    await anyio.Path(place).mkdir()
    async with BotApi(files_dir=place) as server, TelegramChat(server.token, server.base_url, files_dir=place) as chat:
        yield server, server.user(4711, "Alice"), chat
        assert server.violations == []


async def test_files_of_a_local_server_are_taken_from_the_disk(tmp_path: Path) -> None:
    """More than 20 MB too; counted as they are read, and for the owner alone."""
    async with own_server(tmp_path / "files") as (server, alice, chat):
        alice.sends_document(b"x" * (21 * 1024 * 1024))
        file_id = alice.screen()[-1].data["document"]["file_id"]
        into = tmp_path / "a"
        assert await chat.fetch(file_id, str(into), 100_000_000) == Saved(21 * 1024 * 1024)
        assert into.stat().st_mode & 0o777 == 0o600
        assert await chat.fetch(file_id, str(tmp_path / "b"), 1_000_000) == "it is larger than 1.0 MB"
        assert not (tmp_path / "b").exists()
        assert server.requests("file") == []


async def test_what_does_not_really_lie_in_the_servers_directory_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack 46: not by another path, by dots, nor through a link; no directory, pipe or NUL; and no word tells the token."""
    place, secret = tmp_path / "files", tmp_path / "secret"
    secret.write_text("not for chats")
    async with own_server(place) as (server, alice, chat):
        alice.sends_document(b"five!")
        file_id = alice.screen()[-1].data["document"]["file_id"]
        (place / "link").symlink_to(secret)
        (place / "out").symlink_to(tmp_path)
        os.mkfifo(place / "pipe")
        inside = f"{place}/{server.token}"
        for path in (
            str(secret), f"{place}/../secret", f"{place}/link", f"{place}/out/secret", f"{place}-x", str(place),
            f"{place}/pipe", f"{place}/a\0b", "/etc/passwd", f"{inside}/nothing", "/",
        ):  # fmt: skip
            monkeypatch.setattr(server.world, "served_path", lambda _file_id, path=path: path)
            said = await chat.fetch(file_id, str(tmp_path / "a"), 1_000)
            assert isinstance(said, str), path
            assert server.token not in said
            assert "telegram.files_dir" in said
            assert not (tmp_path / "a").exists()


async def test_a_link_within_the_servers_directory_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory itself may be one too: what counts is where the file really lies."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "doc").write_bytes(b"five!")
    (tmp_path / "real" / "link").symlink_to("doc")
    (tmp_path / "files").symlink_to("real")
    place = tmp_path / "files"
    async with BotApi(files_dir=place) as server, TelegramChat(server.token, server.base_url, files_dir=place) as chat:
        alice = server.user(4711, "Alice")
        alice.sends_document(b"five!")
        monkeypatch.setattr(server.world, "served_path", lambda _file_id: f"{place}/link")
        file_id = alice.screen()[-1].data["document"]["file_id"]
        assert await chat.fetch(file_id, str(tmp_path / "a"), 1_000) == Saved(5)


async def test_a_local_server_that_the_settings_do_not_know_of_is_explained(tmp_path: Path) -> None:
    """Its paths mean nothing without telegram.files_dir; it is not tried again."""
    async with BotApi(files_dir=tmp_path / "files") as server, TelegramChat(server.token, server.base_url) as chat:
        alice = server.user(4711, "Alice")
        alice.sends_document(b"five!")
        file_id = alice.screen()[-1].data["document"]["file_id"]
        said = await chat.fetch(file_id, str(tmp_path / "a"), 1_000)
        assert isinstance(said, str)
        assert "telegram.files_dir has to name its directory" in said
        assert len(server.requests("getFile")) == 1


def test_a_large_file_has_the_time_that_it_takes(tmp_path: Path) -> None:
    """A server of one's own passes 2000 MB on before it answers; Telegram's own takes no such file."""
    assert TelegramBot(TOKEN).upload_patience_s(2_000_000_000, 60) == 60
    own = TelegramBot(TOKEN, "http://127.0.0.1:8081/bot", files_dir=tmp_path)
    assert own.upload_patience_s(2_000_000_000, 60) == 2000
    assert own.upload_patience_s(1_000, 60) == 60
