"""A whole gateway over Telegram: what the owner sends that is no text, and what an agent says that is no ordinary text."""

import io
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.agents.scripted import Say, Script
from gateway.chats.memory import MemoryChat
from gateway.chats.telegram import TelegramChat
from gateway.domain.place import Thread
from gateway.domain.turn import TurnState
from gateway.engine import Rules
from gateway.ports import TollbridgeError
from tests.engine.bench import OWNER, RULES, Bench, bench, call, script, with_limits
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
    assert [text for text in texts if text.startswith("I do not read")] == ["I do not read dice: say it in words."] * 2
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


async def test_what_is_changed_after_the_question_alters_no_run(line: Any, server: BotApi, owner: Phone) -> None:
    """Attack 17: the message is edited while it is asked about, after the yes, and after the end: what was asked about runs."""
    async with bench(script(call(1)), with_limits(confirm="0.10"), chat=line) as gateway:
        said = owner.says("list the files")
        asked = await owner.waits_for("enough history")
        owner.edits(said, "delete the files")
        await owner.waits_for("I use the first version")
        owner.taps(asked.buttons[0].text, asked.message_id)
        owner.edits(said, "delete all files")
        turn = await gateway.ended(TurnState.FINISHED)
        owner.edits(said, "delete everything")
        await server.until(lambda: not server.pending)
        assert turn.prompt == "list the files"
        assert [text for _, text in gateway.agent.prompts] == ["list the files"]
        assert len(await gateway.turns()) == 1


async def test_an_archive_is_kept_as_it_is_and_nothing_in_it_is_looked_for(
    line: Any, owner: Phone, tmp_path: Path
) -> None:
    """Attack 48: a zip with ways up and a bomb in it is one file of its own size; nothing else is anywhere."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.txt", "evil")
        archive.writestr("/etc/evil.txt", "evil")
        archive.writestr("bomb.txt", b"0" * 10_000_000)
    files = tmp_path / "files"
    async with bench(script(call(1)), replace(RULES, files=str(files)), chat=line) as gateway:
        owner.sends_document(packed.getvalue(), "all.zip", mime="application/zip", caption="Look")
        await gateway.ended(TurnState.FINISHED)
    assert contents(tmp_path) == [packed.getvalue()]


def contents(place: Path) -> list[bytes]:
    """Of every file below."""
    return [path.read_bytes() for path in place.rglob("*") if path.is_file()]


async def test_a_token_that_was_replaced_is_dead_at_once(server: BotApi, owner: Phone, tmp_path: Path) -> None:
    """Attack 49: a gateway whose token is no bot's any more ends and says what to do; with the new one the next goes on where it
    stood, and asks for nothing with the old one.
    """
    rules, dead = with_limits(confirm="0.10"), pytest.RaisesExc(TollbridgeError, match="does not accept this bot token")
    with pytest.RaisesGroup(dead, flatten_subgroups=True):
        async with whole(server, rules, tmp_path) as gateway:
            owner.says("go")
            asked = await owner.waits_for("enough history")
            server.rotates_token("987654321:AAanother-token-of-the-very-same-bot1")
            owner.taps(asked.buttons[0].text, asked.message_id)
            await gateway.ended(TurnState.FINISHED)
    async with whole(server, rules, tmp_path):
        await owner.waits_for("All done.", timeout=20)
    assert len([seen for seen in owner.sees() if "All done." in seen.text]) == 1


@asynccontextmanager
async def whole(server: BotApi, rules: Rules, place: Path) -> AsyncGenerator[Bench]:
    """A gateway that is told the server's present token when it starts, over a home that outlives it."""
    async with (
        Brisk(server.token, server.base_url, poll_s=1, retry_ms=10) as chat,
        bench(script(call(1)), rules, home=place / "home", chat=cast("MemoryChat", chat)) as gateway,
    ):
        yield gateway
