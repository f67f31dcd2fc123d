"""A whole gateway over Telegram: what the owner sends that is no text, and what an agent says that is no ordinary text."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from gateway.agents.scripted import Say, Script
from gateway.chats.memory import MemoryChat
from gateway.chats.telegram import TelegramChat
from gateway.domain.place import Thread
from tests.engine.bench import OWNER, bench, call, script
from tests.fakes.bot_api import BotApi, Phone

pytestmark = pytest.mark.anyio


class Brisk(TelegramChat):
    """Telegram without the pauses between messages."""

    def gap_ms(self, thread: Thread, *, edit: bool) -> int:  # noqa: ARG002 - the port's signature
        return 0


@pytest.fixture
async def line(server: BotApi) -> AsyncIterator[Any]:
    """The chat, for a bench that is made for any."""
    async with Brisk(server.token, server.base_url, poll_s=2, retry_ms=10) as chat:
        yield cast("MemoryChat", chat)


@pytest.fixture
def owner(server: BotApi) -> Phone:
    """The one person who may."""
    return server.user(int(OWNER), "Olga")


async def test_the_owner_is_told_once_what_is_not_read(line: Any, server: BotApi, owner: Phone) -> None:
    """One answer to each thing, one to all edits of a message; the turn is not touched."""
    async with bench(script(call(1)), chat=line):
        await server.waits_for_request("getUpdates")
        owner.throws_dice()
        owner.throws_dice()
        asked = owner.says("go")
        owner.edits(asked, "go!")
        owner.edits(asked, "go!!")
        owner.says("/help")
        await owner.waits_for("All done.")
        await server.until(lambda: not server.pending)
    texts = [seen.text for seen in owner.sees()]
    assert [text for text in texts if text.startswith("I do not read")] == [
        "I do not read dice: write what it should say."
    ] * 2
    assert texts.count("I use the first version; /stop and write again.") == 1


async def test_a_stranger_is_not_answered_whatever_they_send(line: Any, server: BotApi, owner: Phone) -> None:
    """Pictures and edits are no way to find out that somebody is at home."""
    stranger = server.user(666, "Mallory")
    async with bench(script(call(1)), chat=line):
        await server.waits_for_request("getUpdates")
        stranger.sends_photo(caption="hello?")
        stranger.edits(stranger.says("hello"), "hello?")
        owner.says("go")
        await owner.waits_for("All done.")
    assert stranger.sees() == []


async def test_an_answer_full_of_long_addresses_arrives_whole_and_the_gateway_goes_on(
    line: Any, server: BotApi, owner: Phone
) -> None:
    """A hundred links of 700 characters: several messages, every address behind its words, and then the next turn."""
    addresses = [f"https://bucket.example/{'k' * 670}{number}" for number in range(100)]
    answer = " ".join(f"[file {number}]({address})" for number, address in enumerate(addresses))
    async with bench(Script((call(1), Say(answer))), chat=line):
        owner.says("go")
        await owner.waits_for("file 99")
        owner.says("again")
        await server.until(lambda: [("file 99" in seen.text) for seen in owner.sees()].count(True) == 2)
    linked = [entity["url"] for seen in owner.sees() for entity in seen.entities if entity["type"] == "text_link"]
    assert linked[:100] == addresses
