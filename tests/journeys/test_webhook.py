"""Turns by webhook over real HTTP, behind a real proxy: from the update to the answer, and through deaths and changes of the way."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import anyio
import anyio.abc
import pytest

from gateway.chats.memory import MemoryChat
from gateway.chats.telegram import TelegramChat, Webhook
from gateway.domain.place import Thread
from gateway.store import open_readonly
from tests.chats.test_telegram_webhook import SECRET, free_port
from tests.crash.rig import Gateway, born
from tests.engine.bench import OWNER, bench, call, script, with_limits
from tests.fakes.bot_api import BotApi, Phone
from tests.fakes.reverse_proxy import ReverseProxy, reverse_proxy

pytestmark = pytest.mark.anyio

PREFIX = "/tollbridge"


class Brisk(TelegramChat):
    """Telegram without the pauses between messages."""

    def gap_ms(self, thread: Thread, *, edit: bool) -> int:  # noqa: ARG002 - the port's signature
        return 0


@pytest.fixture
async def server() -> AsyncGenerator[BotApi]:
    """A server with `--local`, whose waits are short; breaking its rules fails the test."""
    async with BotApi(local=True, unit_s=0.05) as running:
        yield running
        assert running.violations == []


@pytest.fixture
def owner(server: BotApi) -> Phone:
    """The one person who may."""
    return server.user(int(OWNER), "Olga")


async def test_a_turn_by_webhook_from_the_update_to_the_answer(server: BotApi, owner: Phone) -> None:
    """Text, tap and answer; nothing is polled, and the proxy has seen no token."""
    port = free_port()
    async with reverse_proxy(lambda: port, prefix=PREFIX) as proxy:
        webhook = Webhook(f"{proxy.url}{PREFIX}/hook", "127.0.0.1", port, SECRET)
        async with (
            Brisk(server.token, server.base_url, retry_ms=10, webhook=webhook) as chat,
            bench(script(call(1)), with_limits(confirm="0.05"), chat=cast("MemoryChat", chat)),
        ):
            owner.says("go")
            asked = await owner.waits_for(lambda seen: bool(seen.buttons), timeout=40)
            owner.taps(asked.buttons[0].text, asked.message_id)
            await owner.waits_for("All done.", timeout=40)
            await server.until(lambda: not server.pending)
    assert server.requests("getUpdates") == []
    assert {(path, status) for _, path, _, status in proxy.seen} == {(f"{PREFIX}/hook", 200)}
    assert server.token not in str(proxy.seen)


# ------------------------------------------------------------------------------------------------ gateways as processes
@dataclass
class Machine:
    """One home and one bot; gateways come and go. A proxy stands before the port of the webhook."""

    server: BotApi
    proxy: ReverseProxy
    place: Path
    port: int
    tasks: anyio.abc.TaskGroup

    @asynccontextmanager
    async def gateway(self, *, hooked: bool, step: str = "", n: int = 1) -> AsyncGenerator[Gateway]:
        """A gateway's process, by webhook or polling; with `step` it kills itself there."""
        webhook = {
            "TOLLBRIDGE_TELEGRAM__WEBHOOK__URL": f"{self.proxy.url}{PREFIX}/hook",
            "TOLLBRIDGE_TELEGRAM__WEBHOOK__LISTEN": f"127.0.0.1:{self.port}",
            "TOLLBRIDGE_TELEGRAM__WEBHOOK__SECRET": SECRET,
        }
        plain = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBRIDGE_")}
        environ = plain | {
            "TOLLBRIDGE_HOME": str(self.place / "home"),
            "TOLLBRIDGE_TELEGRAM__TOKEN": self.server.token,
            "TOLLBRIDGE_TELEGRAM__BASE_URL": self.server.base_url,
            "TOLLBRIDGE_TELEGRAM__ALLOWED_USERS": f"[{OWNER}]",
            "TOLLBRIDGE_AGENTS__DEFAULT": "scripted",
            "TOLLBRIDGE_AGENTS__DIRECTORY": str(self.place / "work"),
            "XDG_STATE_HOME": str(self.place / "state"),
            "TOLLBRIDGE_HISTORY__READ_LOGS": "false",
            **(webhook if hooked else {}),
        }
        log = self.place / f"gateway-{len(list(self.place.iterdir()))}.log"
        gateway = born(environ, log, step, n)
        self.tasks.start_soon(gateway.follow)
        try:
            await gateway.lives()
            yield gateway
        finally:
            with anyio.CancelScope(shield=True):
                if gateway.pid:
                    gateway.kill()
                    await gateway.ended(40)

    def prompts(self) -> list[str]:
        """What was ever asked of an agent, oldest first; each turn once."""
        with open_readonly(self.place / "home") as reader:
            return sorted(turn.prompt for _, turn in reader.report_rows())


@asynccontextmanager
async def machine(server: BotApi, tmp_path: Path) -> AsyncGenerator[Machine]:
    """A machine on which no gateway runs yet."""
    (tmp_path / "work").mkdir()
    port = free_port()
    async with reverse_proxy(lambda: port, prefix=PREFIX) as proxy, anyio.create_task_group() as tasks:
        yield Machine(server, proxy, tmp_path, port, tasks)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("step", ["inbox.accepted", "inbox.handled"])
async def test_killed_after_an_update_came_in_nothing_is_lost_and_none_runs_twice(
    server: BotApi, owner: Phone, tmp_path: Path, step: str
) -> None:
    """Before Telegram heard 200, or after: it sends the update again, or does not, and there is one turn of it."""
    async with machine(server, tmp_path) as here:
        async with here.gateway(hooked=True, step=step) as doomed:
            owner.says("first prompt")
            await doomed.died()
        owner.says("second prompt")
        async with here.gateway(hooked=True) as gateway:
            await gateway.until("turn.settled", 2)
            await server.until(lambda: not server.pending, 20)
            assert await gateway.stop() == 0
        assert here.prompts() == ["first prompt", "second prompt"]
        first = [one.status for one in server.deliveries if one.number == server.deliveries[0].number]
        assert first.count(200) == 1
        assert len(first) > 1 or step == "inbox.handled"
        assert server.requests("getUpdates") == []


async def test_from_polling_to_a_webhook_and_back_with_updates_waiting(
    server: BotApi, owner: Phone, tmp_path: Path
) -> None:
    """Each prompt runs once; when a gateway stops, its webhook stays, and Telegram keeps what comes."""
    async with machine(server, tmp_path) as here:
        for number, hooked in enumerate((False, True, False), 1):
            owner.says(f"prompt {number}")
            async with here.gateway(hooked=hooked) as gateway:
                await gateway.until("turn.settled")
                await server.until(lambda: not server.pending, 20)
                assert await gateway.stop() == 0
            assert bool(server.world.webhooks.info()["url"]) is hooked
        assert here.prompts() == [f"prompt {number}" for number in range(1, 4)]
        dropped = [request for request in server.log if request.params.get("drop_pending_updates")]
        assert dropped == []
