"""The stand-in's webhooks behave as the official server's: what is refused, who gets what when, and what it remembers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.fakes.bot_api import BotApi

pytestmark = pytest.mark.anyio


class Hook:
    """A program that waits for updates: what came, with which secret; `answers` are the next statuses, 200 after that."""

    def __init__(self) -> None:
        self.came: list[dict[str, Any]] = []
        self.secrets: list[str | None] = []
        self.answers: list[int] = []
        self.url = ""


@contextmanager
def hook() -> Iterator[Hook]:
    """One at work."""
    here = Hook()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            here.came.append(json.loads(body))
            here.secrets.append(self.headers.get("X-Telegram-Bot-Api-Secret-Token"))
            self.send_response(here.answers.pop(0) if here.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield here
        server.shutdown()
        thread.join()


def call(server: BotApi, method: str, **parameters: Any) -> tuple[int, Any]:
    """One call: the status, and its result or description."""
    answer = httpx.post(f"{server.base_url}{server.token}/{method}", json=parameters, trust_env=False)
    said = answer.json()
    return answer.status_code, said["result"] if said["ok"] else said["description"]


async def test_updates_come_in_the_order_of_their_chat_with_the_secret_until_they_are_taken() -> None:
    """A failure holds up its own chat only; the last error stays in getWebhookInfo."""
    async with BotApi(local=True, unit_s=0.2) as server:
        with hook() as here:
            here.answers = [500, 500]
            alice, bob = server.user(1, "Alice"), server.user(2, "Bob")
            assert call(server, "setWebhook", url=here.url, secret_token="s3cret_-") == (200, True)
            alice.says("one")
            await server.until(lambda: len(server.deliveries) == 2)
            alice.says("two")
            bob.says("hello")
            await server.until(lambda: not server.pending)
            assert [update["message"]["text"] for update in here.came] == ["one", "one", "hello", "one", "two"]
            assert set(here.secrets) == {"s3cret_-"}
            first, second, third = [one.at for one in server.deliveries if one.number == here.came[0]["update_id"]]
            assert second - first < 0.4 < third - second
            _, about = call(server, "getWebhookInfo")
            assert about["last_error_message"].startswith("Wrong response from the webhook: 500")
            assert (about["url"], about["pending_update_count"], about["max_connections"]) == (here.url, 0, 40)


async def test_polls_and_a_webhook_exclude_each_other() -> None:
    """409 to polls while there is one, also to that in flight; what waits stays when it goes."""
    async with BotApi(local=True) as server:
        alice = server.user(1, "Alice")
        found: list[tuple[int, Any]] = []
        poll = threading.Thread(target=lambda: found.append(call(server, "getUpdates", timeout=20)))
        poll.start()
        await server.until(lambda: server.world.updates.polled)
        assert call(server, "setWebhook", url="http://127.0.0.1:1/hook")[0] == 200
        poll.join()
        assert found == [(409, "Conflict: terminated by setWebhook request")]
        assert "can't use getUpdates method while webhook is active; use deleteWebhook" in call(server, "getUpdates")[1]
        alice.says("kept")
        await server.until(lambda: server.deliveries)
        assert call(server, "getWebhookInfo")[1]["last_error_message"] == "Webhook connection closed"
        assert call(server, "deleteWebhook") == (200, True)
        assert call(server, "getWebhookInfo")[1]["url"] == ""
        assert [update["message"]["text"] for update in call(server, "getUpdates")[1]] == ["kept"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"url": "ftp://a.example/x"}, "Bad Request: invalid webhook URL specified"),
        ({"url": "http://a.example/x"}, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"),
        ({"url": "https://a.example:81/x"}, "can be set up only on ports 80, 88, 443 or 8443"),
        ({"url": "https://a.example/x", "secret_token": "not base64url!"}, "secret token contains illegal characters"),
    ],
)
async def test_what_telegram_would_not_take_is_refused(parameters: dict[str, Any], words: str) -> None:
    """400, and the server's words; there is no webhook then."""
    async with BotApi() as server:
        status, said = call(server, "setWebhook", **parameters)
        assert (status, words in said) == (400, True)
        assert call(server, "getWebhookInfo")[1]["url"] == ""
