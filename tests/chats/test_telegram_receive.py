"""Long polling when things go wrong: nothing is confirmed before it is stored, and nothing stops the loop but a wrong token."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from gateway.chats.telegram import TelegramChat
from gateway.chats.telegram.receive import keyed, next_offset
from gateway.domain.events import Edited, Message
from gateway.ports import StoreError, TollbridgeError
from tests.fakes.bot_api import BotApi, Phone

pytestmark = pytest.mark.anyio


class Inbox:
    """A durable inbox that lets tests wait for what it holds."""

    def __init__(self) -> None:
        self.accepted: list[tuple[str, str]] = []
        self.before: Callable[[str], None] = lambda _key: None
        self._changed = anyio.Event()

    async def accept(self, updates: Sequence[tuple[str, str]]) -> None:
        for key, _ in updates:
            self.before(key)
        self.accepted.extend(updates)
        self._changed.set()
        self._changed = anyio.Event()

    async def holds(self, count: int) -> None:
        """Wait until so many updates were accepted, repeated ones included."""
        with anyio.fail_after(30):
            while len(self.accepted) < count:
                await self._changed.wait()

    def texts(self, chat: TelegramChat) -> list[str]:
        """The texts of the messages that were accepted, each once."""
        read = (chat.read(payload) for _, payload in dict(self.accepted).items())
        return [event.text for event in read if isinstance(event, Message)]


@asynccontextmanager
async def receiving(chat: TelegramChat) -> AsyncIterator[Inbox]:
    """Receive in the background."""
    inbox = Inbox()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chat.receive, inbox.accept)
        yield inbox
        tasks.cancel_scope.cancel()


async def test_an_update_is_confirmed_only_after_it_was_accepted(
    chat: TelegramChat, server: BotApi, alice: Phone
) -> None:
    """While `accept` runs, Telegram still has the update; afterwards it is let go."""
    pending: list[int] = []
    async with receiving(chat) as inbox:
        inbox.before = lambda _key: pending.append(len(server.pending))
        alice.says("one")
        await inbox.holds(1)
        await server.until(lambda: not server.pending)
    assert pending == [1]
    assert inbox.texts(chat) == ["one"]


async def test_only_what_is_understood_is_asked_for_and_nothing_is_dropped(chat: TelegramChat, server: BotApi) -> None:
    """Attack 16: reactions and the like never come, waiting updates are never thrown away."""
    async with receiving(chat):
        request = await server.waits_for_request("getUpdates")
    assert request.params["allowed_updates"] == [
        *("message", "edited_message", "callback_query", "my_chat_member"),
        "stopped_message_generation",
    ]
    assert server.requests("deleteWebhook") == []


async def test_pictures_and_edits_come_in_with_words_for_the_person(
    chat: TelegramChat, server: BotApi, alice: Phone
) -> None:
    """What a phone really sends: each picture of an album is a message, two edits of one message are one thing to answer."""
    async with receiving(chat) as inbox:
        await server.waits_for_request("getUpdates")
        alice.sends_album(3, caption="look")
        alice.sends_sticker()
        alice.sends_voice()
        alice.sends_document(b"notes")
        wrong = alice.says("wrong")
        alice.edits(wrong, "right")
        alice.edits(wrong, "right!")
        await inbox.holds(9)
    seen = [chat.read(payload) for _, payload in inbox.accepted]
    messages = [event for event in seen if isinstance(event, Message)]
    assert [(event.text, len(event.attachments)) for event in messages] == [
        ("look", 1), ("", 1), ("", 1), ("[Sticker: 👍]", 1), ("", 1), ("", 1), ("wrong", 0)
    ]  # fmt: skip
    edits = [event.message for event in seen if isinstance(event, Edited)]
    assert [(edit.text, edit.message_id) for edit in edits] == [("right", str(wrong)), ("right!", str(wrong))]


async def test_an_offset_is_sent_once_and_not_for_ever(chat: TelegramChat, server: BotApi, alice: Phone) -> None:
    """After a quiet week Telegram numbers anew: an old offset would confirm what nobody has seen."""
    async with receiving(chat) as inbox:
        alice.says("one")
        await inbox.holds(1)
        await server.until(lambda: not server.pending)
        server.push_raw({"update_id": 5, "poll": {"id": "1"}})
        await inbox.holds(2)
    assert [key for key, _ in inbox.accepted][-1] == "5"


async def test_a_full_disk_leaves_updates_with_telegram_and_is_reported(
    chat: TelegramChat, server: BotApi, alice: Phone
) -> None:
    """Nothing is confirmed that was not stored; the problem is logged once, and its end too."""
    tries: list[str] = []

    def full(key: str) -> None:
        tries.append(key)
        if len(tries) < 4:
            raise StoreError("the disk is full")

    with capture_logs() as logs:
        async with receiving(chat) as inbox:
            inbox.before = full
            alice.says("keep me")
            await inbox.holds(1)
            await server.until(lambda: not server.pending)
    assert inbox.texts(chat) == ["keep me"]
    assert len(set(tries)) == 1
    assert "the disk is full" in logs[0]["problem"]
    assert "the disk is full" in logs[1]["after"]
    assert [entry["log_level"] for entry in logs] == ["error", "info"]


async def test_a_store_that_fails_in_the_middle_of_a_batch_loses_nothing(
    chat: TelegramChat, alice: Phone, server: BotApi
) -> None:
    """Nothing of the batch was taken: the whole of it comes again, in order."""
    for text in ("one", "two", "three"):
        alice.says(text)
    seen: list[str] = []

    def fail_at_two(key: str) -> None:
        seen.append(key)
        if len(seen) == 2:
            raise StoreError("locked")

    async with receiving(chat) as inbox:
        inbox.before = fail_at_two
        await inbox.holds(3)
        await server.until(lambda: not server.pending)
    assert inbox.texts(chat) == ["one", "two", "three"]
    assert seen == [*seen[2:4], *seen[2:]]


async def test_a_repeated_update_id_is_handed_over_under_the_same_key(
    chat: TelegramChat, server: BotApi, alice: Phone
) -> None:
    """The inbox tells repetitions by their key."""
    alice.says("one")
    server.push_raw(server.pending[0])
    async with receiving(chat) as inbox:
        await inbox.holds(2)
    assert len(dict(inbox.accepted)) == 1


async def test_poison_is_handed_over_and_the_next_update_is_read(
    chat: TelegramChat, server: BotApi, alice: Phone
) -> None:
    """An update that no library can parse stops nobody."""
    server.push_raw({"message": "not an object", "callback_query": 7})
    alice.says("after the poison")
    async with receiving(chat) as inbox:
        await inbox.holds(2)
        await server.until(lambda: not server.pending)
    assert json.loads(inbox.accepted[0][1])["update"]["message"] == "not an object"


def faults() -> dict[str, Callable[[BotApi], None]]:
    """Ways for a poll to fail, all of which pass."""
    return {
        "lost": lambda server: server.lose_next("getUpdates", times=2),
        "dropped": lambda server: server.drop_next("getUpdates", times=2),
        "cut": lambda server: server.cut_next("getUpdates", times=2),
        "500": lambda server: server.fail_next("getUpdates", status=500, times=2),
        "502 in HTML": lambda server: server.fail_next("getUpdates", status=502, html=True, times=2),
        "404 of a proxy": lambda server: server.fail_next("getUpdates", status=404, html=True, times=2),
        "400": lambda server: server.fail_next("getUpdates", status=400, times=2),
        "403": lambda server: server.fail_next("getUpdates", status=403, times=2),
        "409": lambda server: server.fail_next("getUpdates", status=409, times=2),
        "identity unknown at first": lambda server: server.fail_next("getMe", status=503, times=2),
    }


@pytest.mark.parametrize("name", faults())
async def test_a_failing_poll_is_reported_and_tried_again(
    chat: TelegramChat, server: BotApi, alice: Phone, name: str
) -> None:
    """Every passing failure is reported while it lasts, so is its end, and the message comes through."""
    faults()[name](server)
    alice.says("through the storm")
    with capture_logs() as logs:
        async with receiving(chat) as inbox:
            await inbox.holds(1)
            await server.until(lambda: not server.pending)
    assert inbox.texts(chat) == ["through the storm"]
    events = list(dict.fromkeys(entry["event"] for entry in logs))
    assert events == ["updates from Telegram are held up", "updates from Telegram come in again"]


async def test_a_second_poller_raises_an_alarm(chat: TelegramChat, server: BotApi, alice: Phone) -> None:
    """Two programs on one bot take each other's messages: that is said aloud, and survived."""
    with capture_logs() as logs:
        async with receiving(chat) as inbox:
            await server.waits_for_request("getUpdates")
            await server.until(server.rival_polls)
            alice.says("still here")
            await inbox.holds(1)
    assert logs[0]["log_level"] == "error"
    assert "another program reads this bot's messages" in logs[0]["problem"]


async def test_a_webhook_is_taken_over_without_dropping_what_waits(
    chat: TelegramChat, server: BotApi, alice: Phone
) -> None:
    """Polling cannot start beside a webhook."""
    words = (
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
    )
    server.fail_next("getUpdates", status=409, description=words)
    alice.says("waited")
    async with receiving(chat) as inbox:
        await inbox.holds(1)
    [request] = server.requests("deleteWebhook")
    assert request.params["drop_pending_updates"] is False


async def test_a_flood_answer_is_waited_out(chat: TelegramChat, server: BotApi, alice: Phone) -> None:
    """The pause that Telegram asks for is kept to the second."""
    server.fail_next("getUpdates", retry_after=1)
    alice.says("patience")
    async with receiving(chat) as inbox:
        await inbox.holds(1)
    first, second = server.requests("getUpdates")[:2]
    assert second.at - first.at >= 1


async def test_an_outage_is_survived(chat: TelegramChat, server: BotApi, alice: Phone) -> None:
    """When Telegram is back, so are the messages."""
    async with receiving(chat) as inbox:
        await server.waits_for_request("getUpdates")
        await anyio.to_thread.run_sync(server.goes_down)
        server.comes_back()
        alice.says("back again")
        await inbox.holds(1)
    assert inbox.texts(chat) == ["back again"]


@pytest.mark.parametrize("method", ["getMe", "getUpdates"])
async def test_a_refused_token_ends_the_loop_with_what_to_do(chat: TelegramChat, server: BotApi, method: str) -> None:
    """Nothing else ends it."""
    server.fail_next(method, status=401)
    with anyio.fail_after(30), pytest.raises(TollbridgeError, match="does not accept this bot token"):
        await chat.receive(Inbox().accept)


async def test_updates_without_a_number_are_kept_and_do_not_spin(server: BotApi) -> None:
    """Garbage in a batch has a key of its own, always the same; the offset follows the numbers that there are."""
    items: list[Any] = [
        7,
        None,
        {"no": "id"},
        {"update_id": True},
        {"update_id": "8"},
        {"update_id": 10**30},
        {"update_id": 9},
    ]
    keys = [key for key, _ in keyed(items, "bot")]
    assert keys[-1] == "9"
    assert all(key.startswith("poison:") for key in keys[:-1])
    assert len(set(keys)) == len(keys)
    assert keys == [key for key, _ in keyed(items, "bot")]
    assert (next_offset(items), next_offset(items[:-1]), next_offset([])) == (10, 0, 0)
    assert server.log == []
