"""Updates over HTTP: who is let in, what Telegram hears and when, and what happens when another program wants them too."""

import logging
import random
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from gateway import listener
from gateway.chats.telegram import RejectedTokenError, TelegramChat, Webhook
from gateway.chats.telegram.receive import keyed
from gateway.chats.telegram.webhook import BODY_BYTES_MAX, ListenError
from gateway.ports import StoreError
from tests.chats.test_telegram_receive import Inbox, receiving
from tests.fakes.bot_api import BotApi, Phone
from tests.fakes.reverse_proxy import ReverseProxy, reverse_proxy

pytestmark = pytest.mark.anyio

SECRET = "a-secret-of-enough_characters"
PATH = "/tollbridge/hook"
UPDATE = b'{"update_id": 7, "message": {}}'
LIMIT_S = 40
PORTS = 15_000, 32_000
"""Below those that systems hand out."""
KINDS = ["message", "edited_message", "callback_query", "my_chat_member", "stopped_message_generation"]


@pytest.fixture
async def server() -> AsyncGenerator[BotApi]:
    """A server with `--local`, whose waits are short; breaking its rules fails the test."""
    async with BotApi(local=True, unit_s=0.02) as running:
        yield running
        assert running.violations == []


@dataclass
class There:
    """A chat that listens behind a proxy, and what it has accepted."""

    chat: TelegramChat
    inbox: Inbox
    proxy: ReverseProxy
    port: int

    async def sends(self, raw: bytes) -> tuple[int, bytes]:
        """Bytes as they are, past the proxy; the status and the body that come back; 0 if nothing does."""
        with anyio.fail_after(LIMIT_S):
            told = await anyio.to_thread.run_sync(self._converse, raw)
        head, _, body = told.partition(b"\r\n\r\n")
        return (int(head.split()[1]) if head else 0), body

    def _converse(self, raw: bytes) -> bytes:
        told = b""
        with socket.create_connection(("127.0.0.1", self.port), LIMIT_S) as connection:
            try:
                connection.sendall(raw)
                while part := connection.recv(65536):
                    told += part
            except (ConnectionResetError, BrokenPipeError):
                pass
        return told


def free_port() -> int:
    """A port that nothing listens on now, and that no program gets that asks for any port before it is listened on."""
    while True:
        port = random.randrange(*PORTS)  # noqa: S311 - no secret
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def asking(
    path: str = PATH, body: bytes = UPDATE, method: str = "POST", secret: str | None = SECRET, **more: str
) -> bytes:
    """A request as Telegram's would come in, but for what is given; an empty header is left out."""
    usual = {"host": "bot.example.org", "content-length": str(len(body)), "connection": "close"}
    usual |= {} if secret is None else {"x-telegram-bot-api-secret-token": secret}
    headers = usual | {name.replace("_", "-"): value for name, value in more.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body


@asynccontextmanager
async def hooked(
    server: BotApi, *, checked_s: float = 300.0, prefix: str = "", wait: bool = True
) -> AsyncGenerator[There]:
    """A chat that Telegram sends updates to."""
    port = free_port()
    async with reverse_proxy(lambda: port, prefix=prefix) as proxy:
        webhook = Webhook(f"{proxy.url}{PATH}", "127.0.0.1", port, SECRET, checked_s)
        async with (
            TelegramChat(server.token, server.base_url, poll_s=2, retry_ms=10, webhook=webhook) as chat,
            receiving(chat) as inbox,
        ):
            if wait:
                await server.waits_for_request("setWebhook", done=True)
            yield There(chat, inbox, proxy, port)


# ------------------------------------------------------------------------------------------------------ what comes in
async def test_telegram_hears_200_only_after_an_update_was_accepted(server: BotApi, alice: Phone) -> None:
    """While `accept` runs, Telegram still has it; afterwards it is let go, and nothing is polled."""
    pending: list[int] = []
    async with hooked(server) as there:
        there.inbox.before = lambda _key: pending.append(len(server.pending))
        alice.says("one")
        await there.inbox.holds(1)
        await server.until(lambda: not server.pending)
    assert pending == [1]
    assert there.inbox.texts(there.chat) == ["one"]
    assert [one.status for one in server.deliveries] == [200]
    assert server.requests("getUpdates") == []


async def test_telegram_is_told_where_with_the_secret_and_never_to_drop_anything(server: BotApi, alice: Phone) -> None:
    """What waited before comes first; of the token nothing is in the address; the webhook stays when the gateway ends."""
    alice.says("waited")
    async with hooked(server) as there:
        await there.inbox.holds(1)
        url = there.proxy.url + PATH
    [request] = server.requests("setWebhook")
    assert request.params == {"url": url, "secret_token": SECRET, "allowed_updates": KINDS, "max_connections": 8}
    assert server.requests("deleteWebhook") == []
    assert server.world.webhooks.info()["url"] == url
    assert server.token not in str([path for _, path, _, _ in there.proxy.seen])


@pytest.mark.parametrize("prefix", ["", "/tollbridge", PATH])
async def test_behind_a_proxy_the_path_may_lose_its_beginning(server: BotApi, alice: Phone, prefix: str) -> None:
    """One connection after the other is kept open; what the proxy says of others means nothing."""
    async with hooked(server, prefix=prefix) as there:
        for text in ("one", "two", "three"):
            alice.says(text)
        await there.inbox.holds(3)
        await server.until(lambda: not server.pending)
    assert there.inbox.texts(there.chat) == ["one", "two", "three"]
    assert {status for _, _, _, status in there.proxy.seen} == {200}


async def test_keys_and_payloads_are_those_of_polling(server: BotApi, chat: TelegramChat, alice: Phone) -> None:
    """So that an update that was polled and comes again by the webhook counts once."""
    async with receiving(chat) as polled:
        alice.says("one")
        again = server.pending[0]
        await polled.holds(1)
        await server.until(lambda: not server.pending)
    async with hooked(server) as there:
        server.push_raw(again)
        await there.inbox.holds(1)
    assert there.inbox.accepted == polled.accepted


async def test_from_polling_to_a_webhook_and_back_nothing_is_lost(
    server: BotApi, chat: TelegramChat, alice: Phone
) -> None:
    """Updates wait at each change: each comes once."""
    texts: list[str] = []
    alice.says("one")
    async with receiving(chat) as inbox:
        await inbox.holds(1)
        await server.until(lambda: not server.pending)
    texts += inbox.texts(chat)
    alice.says("two")
    async with hooked(server) as there:
        await there.inbox.holds(1)
        await server.until(lambda: not server.pending)
    texts += there.inbox.texts(there.chat)
    alice.says("three")
    with capture_logs() as logs:
        async with receiving(chat) as inbox:
            await inbox.holds(1)
            await server.until(lambda: not server.pending)
    assert [*texts, *inbox.texts(chat)] == ["one", "two", "three"]
    [request] = server.requests("deleteWebhook")
    assert not request.params.get("drop_pending_updates")
    assert "a webhook takes this bot's messages: it is removed" in logs[0]["problem"]


async def test_what_cannot_be_stored_is_sent_again(server: BotApi, alice: Phone) -> None:
    """503: Telegram keeps it, and repeats it under the same key; the trouble is logged once, and its end too."""
    tries: list[str] = []

    def full(key: str) -> None:
        tries.append(key)
        if len(tries) < 4:
            raise StoreError("the disk is full")

    with capture_logs() as logs:
        async with hooked(server) as there:
            there.inbox.before = full
            alice.says("keep me")
            await there.inbox.holds(1)
            await server.until(lambda: not server.pending)
    assert there.inbox.texts(there.chat) == ["keep me"]
    assert len(set(tries)) == 1
    assert [one.status for one in server.deliveries] == [503, 503, 503, 200]
    said = [entry for entry in logs if "the disk is full" in str(entry)]
    assert [entry["log_level"] for entry in said] == ["error", "info"]


async def test_a_store_that_does_not_answer_is_not_waited_for(
    server: BotApi, alice: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 before Telegram gives up by itself, and then it comes again."""
    monkeypatch.setattr("gateway.chats.telegram.webhook.ANSWER_S", 0.1)
    webhook = Webhook(f"http://127.0.0.1:{(port := free_port())}/hook", "127.0.0.1", port, SECRET)
    hangs, came = [True], anyio.Event()

    async def accept(_updates: object) -> None:
        if hangs:
            hangs.clear()
            monkeypatch.setattr("gateway.chats.telegram.webhook.ANSWER_S", LIMIT_S)
            await anyio.sleep_forever()
        came.set()

    async with TelegramChat(server.token, server.base_url, webhook=webhook) as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.receive, accept)
        await server.waits_for_request("setWebhook", done=True)
        alice.says("one")
        with anyio.fail_after(LIMIT_S):
            await came.wait()
        await server.until(lambda: not server.pending)
        tasks.cancel_scope.cancel()
    assert [one.status for one in server.deliveries] == [503, 200]


async def test_poison_is_put_aside_and_the_next_update_is_read(server: BotApi, alice: Phone) -> None:
    """What no library can parse is accepted as with polling; so is what is no update, or no JSON."""
    async with hooked(server) as there:
        server.push_raw({"message": "not an object", "callback_query": 7})
        alice.says("after the poison")
        await there.inbox.holds(2)
        for body in (b"[]", b"{", b"\xff", b"[" * 100_000, b"9" * 10_000):
            assert await there.sends(asking(body=body)) == (200, b"")
    accepted = dict(there.inbox.accepted)
    assert len([key for key in accepted if key.startswith("poison:")]) == 5
    assert next(keyed([[]], ""))[0] in accepted
    assert "after the poison" in str(accepted)


# ---------------------------------------------------------------------------------------------------------- who gets in
async def test_who_has_not_the_secret_learns_nothing(server: BotApi) -> None:
    """Attack 52: 401 and no word, on every path and by every method, before anything of a body is read."""
    async with hooked(server) as there:
        with anyio.fail_after(listener.READ_S / 2):
            for secret in (None, "", "x", SECRET[:-1], f"{SECRET}x", SECRET.upper(), "\xff\xe9"):
                for path, method in ((PATH, "POST"), ("/", "GET"), ("/nothing", "PUT")):
                    late = asking(path, b"", method, secret, content_length="1000")
                    assert await there.sends(late) == (401, b"")
        twice = asking().replace(b"\r\n", f"\r\nX-Telegram-Bot-Api-Secret-Token: {SECRET}\r\n".encode(), 1)
        assert await there.sends(twice) == (401, b"")
        assert there.inbox.accepted == []
        assert await there.sends(asking()) == (200, b"")


async def test_a_secret_in_a_query_is_refused(server: BotApi) -> None:
    """Attack 56: queries end up in the logs of proxies; not even beside the right header is one taken."""
    async with hooked(server) as there:
        for name in ("secret", "secret_token", "X-Telegram-Bot-Api-Secret-Token"):
            path = f"{PATH}?{name}={SECRET}"
            assert await there.sends(asking(path, secret=None)) == (401, b"")
            assert await there.sends(asking(path)) == (404, b"")
        assert there.inbox.accepted == []


async def test_another_path_or_method_is_not_there(server: BotApi) -> None:
    """Also with the secret; a path that only ends alike is another one."""
    async with hooked(server) as there:
        for path, method in (
            (f"/x{PATH}", "POST"),
            ("/ook", "POST"),
            ("/hook/", "POST"),
            ("//hook", "POST"),
            (PATH, "GET"),
        ):
            assert await there.sends(asking(path, method=method)) == (404, b"")
        assert there.inbox.accepted == []


async def test_a_huge_body_is_not_read(server: BotApi) -> None:
    """Attack 52: by the length that it says, or, where it says none, as soon as it is too long."""
    async with hooked(server) as there:
        assert await there.sends(asking(body=b"", content_length=str(BODY_BYTES_MAX + 1))) == (413, b"")
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        chunked = asking(body=b"", content_length="", transfer_encoding="chunked")
        assert (await there.sends(chunked + chunk * 17))[0] in (413, 0)
        assert there.inbox.accepted == []


async def test_a_body_that_does_not_come_is_not_waited_for(server: BotApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a connection that says nothing, or half a head."""
    monkeypatch.setattr(listener, "READ_S", 0.2)
    async with hooked(server) as there:
        assert await there.sends(asking(body=b"", content_length="10") + b"half") == (408, b"")
        assert await there.sends(b"") == (0, b"")
        assert await there.sends(asking()[:40]) == (0, b"")
        assert there.inbox.accepted == []


async def test_a_port_that_is_taken_is_said_to_be(server: BotApi) -> None:
    """At the start, with the setting's name and what to do; and it is free again when the gateway has ended."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        webhook = Webhook("http://127.0.0.1:1/hook", "127.0.0.1", port, SECRET)
        with pytest.raises(ListenError, match=f"telegram.webhook.listen: nothing can listen on 127.0.0.1 port {port}"):
            async with TelegramChat(server.token, server.base_url, webhook=webhook):
                pass
    async with TelegramChat(server.token, server.base_url, webhook=webhook) as chat:
        assert chat.listens_on == port
    listener.bound("127.0.0.1", port).close()


# ------------------------------------------------------------------------------------------------------ what Telegram has
async def test_another_program_that_takes_the_webhook_is_named_and_it_is_taken_back(
    server: BotApi, alice: Phone
) -> None:
    """It is looked now and then; the log says whose host it was, and not the path, which may be secret."""
    with capture_logs() as logs:
        async with hooked(server, checked_s=0.05) as there:
            server.another_sets_webhook("http://other.example/their-secret")
            await server.waits_for_request("setWebhook", 2, done=True)
            server.another_sets_webhook("")
            await server.waits_for_request("setWebhook", 3, done=True)
            alice.says("still here")
            await there.inbox.holds(1)
    alarms = [entry for entry in logs if entry["log_level"] == "error"]
    assert ["another program took" in entry["event"] for entry in alarms] == [True, False]
    assert alarms[0]["webhook_of"] == "other.example"
    assert "another program removed this bot's webhook" in alarms[1]["event"]
    assert "their-secret" not in repr(logs)


async def test_what_telegram_cannot_deliver_is_said_once_in_its_words(server: BotApi, alice: Phone) -> None:
    """The proxy finds nobody: nothing comes in here that could tell; the end of it is said too."""
    port, up = free_port(), False
    with capture_logs() as logs:
        async with reverse_proxy(lambda: port if up else None) as proxy:
            webhook = Webhook(f"{proxy.url}{PATH}", "127.0.0.1", port, SECRET, checked_s=0.02)
            async with (
                TelegramChat(server.token, server.base_url, retry_ms=10, webhook=webhook) as chat,
                receiving(chat) as inbox,
            ):
                await server.waits_for_request("setWebhook", done=True)
                alice.says("one")
                await server.until(lambda: len(server.deliveries) >= 2)
                with anyio.fail_after(LIMIT_S):
                    while not _held_up(logs):
                        await anyio.lowlevel.checkpoint()
                up = True
                await inbox.holds(1)
                with anyio.fail_after(LIMIT_S):
                    while not [entry for entry in logs if "come in again" in entry["event"]]:
                        await anyio.lowlevel.checkpoint()
    [problem] = {entry["problem"] for entry in _held_up(logs)}
    assert "Wrong response from the webhook: 502 Bad Gateway" in problem


def _held_up(logs: list[Any]) -> list[Any]:
    return [entry for entry in logs if "held up" in entry["event"]]


async def test_while_telegram_cannot_be_asked_it_is_asked_again(server: BotApi, alice: Phone) -> None:
    """Who the bot is, and to be told of the webhook: nothing is taken before the first is known."""
    server.fail_next("getMe", times=2)
    server.fail_next("setWebhook", retry_after=1)
    async with hooked(server, wait=False) as there:
        alice.says("one")
        await there.inbox.holds(1)
    assert len(server.requests("setWebhook")) == 2


async def test_a_wrong_token_ends_it(server: BotApi) -> None:
    """As with polling."""
    webhook = Webhook("http://127.0.0.1:1/hook", "127.0.0.1", free_port(), SECRET)
    async with TelegramChat("1:AA", server.base_url, webhook=webhook) as chat:
        with pytest.raises(RejectedTokenError), anyio.fail_after(LIMIT_S):
            await chat.receive(Inbox().accept)


async def test_secret_and_bodies_are_in_no_log_whatever_level_is_asked_for(
    server: BotApi, alice: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    """Attack 42: not when every library's debug output is on, nor in what a debugger shows."""
    with capture_logs() as logs:
        async with hooked(server, checked_s=0.05) as there:
            for name in ("", "httpx", "httpcore", "telegram", "uvicorn"):
                caplog.set_level(logging.DEBUG, logger=name)
            server.another_sets_webhook("")
            await server.waits_for_request("setWebhook", 2, done=True)
            alice.says("what a person wrote")
            await there.inbox.holds(1)
            await there.sends(asking(secret="wrong"))
    text = caplog.text + repr([record.__dict__ for record in caplog.records]) + repr(logs)
    assert "<webhook secret>" in text
    assert SECRET not in text
    assert server.token not in text
    assert "what a person wrote" not in text
    assert SECRET not in repr(Webhook("https://a.example/b", "127.0.0.1", 1, SECRET))
