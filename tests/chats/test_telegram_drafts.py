"""Drafts on Telegram: whatever is written so far is taken, and a chat that wants none, or none now, is left alone."""

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.chats.telegram import TelegramChat
from gateway.chats.telegram.markup import compose_end
from gateway.chats.telegram.read import read
from gateway.core.route import Stop, route
from gateway.domain.events import Ignored, Message
from gateway.domain.place import Thread
from gateway.ports import Delayed, Delivered, Post
from tests.chats.corpus import STREAM
from tests.chats.test_telegram_read import GROUP, PRIVATE, stored
from tests.fakes.bot_api import BotApi, Phone
from tests.fakes.bot_api_messages import checked_text, formatted_text

pytestmark = pytest.mark.anyio

PLACE = Thread("telegram", "4711")
TEAM = Thread("telegram", "-1001")
LONG = "word " * 3_000


async def says(chat: TelegramChat, text: str, thread: Thread = PLACE) -> Delayed | Delivered:
    """Send one message."""
    [body] = chat.compose(text, ())
    receipt = await chat.deliver(Post(1, thread, "r", body))
    assert isinstance(receipt, Delayed | Delivered)
    return receipt


async def test_a_draft_is_drawn_like_the_message_that_it_becomes(
    chat: TelegramChat, alice: Phone, server: BotApi
) -> None:
    """With its formatting, a Stop button, and kept on the screen when that is pressed; the message takes its place."""
    assert await chat.draft(PLACE, 7, "It is the **ca")
    assert await chat.draft(PLACE, 7, "It is the **cache**, `lru")
    assert [(draft.draft_id, draft.text, draft.can_stop) for draft in alice.drafts] == [
        (7, "It is the ca", True),
        (7, "It is the cache, lru", True),
    ]
    params = server.requests("sendMessageDraft")[-1].params
    assert [entity["type"] for entity in params["entities"]] == ["bold", "code"]
    assert params["keep_on_stop"] is True
    await says(chat, "It is the **cache**.")
    assert alice.drafts == []
    assert server.violations == []


async def test_of_a_long_answer_the_end_is_drawn(chat: TelegramChat, alice: Phone, server: BotApi) -> None:
    """As much as one message holds, from a line's beginning, code still as code of its language."""
    code = "\n".join(f"    line {number} = '\N{BRIDGE AT NIGHT}'" for number in range(2_000))
    assert await chat.draft(PLACE, 7, f"{LONG}\n\n```python\n{code}")
    [draft] = alice.drafts
    assert draft.text.endswith("line 1999 = '\N{BRIDGE AT NIGHT}'")
    assert 3_000 < len(draft.text.encode("utf-16-le")) // 2 <= 4096
    [entity] = server.requests("sendMessageDraft")[0].params["entities"]
    assert (entity["type"], entity["language"]) == ("pre", "python")
    assert await chat.draft(PLACE, 7, "**a** " * 2_000)
    assert len(server.requests("sendMessageDraft")[1].params["entities"]) <= 100
    assert server.violations == []


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(STREAM)))
def test_every_beginning_of_an_answer_is_a_draft_that_telegram_takes(at: int) -> None:
    """Wherever it ends: within the length, with entities as the server reads them, and never empty once there are words."""
    made = compose_end(STREAM[:at])
    whole = checked_text(formatted_text(made, "text", "entities"), 4096, "too long")
    assert len(made.get("entities", [])) <= 100
    assert whole.text or len(STREAM[:at].strip()) < 3


async def test_some_beginnings_of_an_answer_are_sent_without_one_refusal(
    chat: TelegramChat, alice: Phone, server: BotApi
) -> None:
    """Over the wire, as they would come."""
    for at in range(1, len(STREAM), 211):
        assert await chat.draft(PLACE, 7, STREAM[:at])
    sent = server.requests("sendMessageDraft")
    assert len(sent) == len(alice.drafts) > 25
    assert {request.status for request in sent} == {200}
    assert server.violations == []


async def test_a_group_is_never_asked_to_take_a_draft(chat: TelegramChat, server: BotApi) -> None:
    """Telegram would refuse it; a private chat that refuses one is asked only once."""
    server.group(-1001)
    server.user(5, "Bob")
    assert not await chat.draft(TEAM, 7, "It is")
    assert server.requests("sendMessageDraft") == []
    server.fail_next("sendMessageDraft", status=400, description="Bad Request: TEXTDRAFT_PEER_INVALID")
    assert not await chat.draft(Thread("telegram", "5"), 7, "It is")
    assert not await chat.draft(Thread("telegram", "5"), 7, "It is the")
    assert len(server.requests("sendMessageDraft")) == 1


@pytest.fixture
def bob(server: BotApi) -> Phone:
    """Somebody else."""
    return server.user(5, "Bob")


async def test_a_flooded_draft_stops_the_drafts_of_its_chat_and_nothing_else(
    chat: TelegramChat, alice: Phone, bob: Phone, server: BotApi
) -> None:
    """For as long as Telegram says; messages and other chats go on as before."""
    server.fail_next("sendMessageDraft", retry_after=30)
    assert await chat.draft(PLACE, 7, "It")
    assert await chat.draft(PLACE, 7, "It is")
    assert len(server.requests("sendMessageDraft")) == 1
    assert await chat.draft(Thread("telegram", "5"), 8, "It is")
    assert [draft.text for draft in bob.drafts] == ["It is"]
    assert isinstance(await says(chat, "It is the cache."), Delivered)
    assert [seen.text for seen in alice.sees()] == ["It is the cache."]


async def test_a_flooded_message_stops_the_drafts_of_its_chat(chat: TelegramChat, alice: Phone, server: BotApi) -> None:
    """What asks on while it was told to wait is told to wait for longer."""
    server.flood(alice.chat_id, 20)
    assert isinstance(await says(chat, "Hello"), Delayed)
    assert await chat.draft(PLACE, 7, "It is")
    assert server.requests("sendMessageDraft") == []


async def test_a_draft_that_is_lost_is_no_loss(chat: TelegramChat, alice: Phone, server: BotApi) -> None:
    """A broken connection, an error of the server, formatting that it refuses: the next one is tried as ever."""
    server.drop_next("sendMessageDraft")
    server.fail_next("sendMessageDraft", status=502)
    server.fail_next("sendMessageDraft", status=400, description="Bad Request: can't parse entities")
    with anyio.fail_after(30):
        for text in ("**It** is", "**It** is the", "**It** is the ca"):
            assert await chat.draft(PLACE, 7, text)
    assert [draft.text for draft in alice.drafts] == ["It is the ca"]


async def test_the_bots_token_is_in_no_draft(chat: TelegramChat, alice: Phone, server: BotApi) -> None:
    """An agent that reads it out streams it to nobody."""
    assert await chat.draft(PLACE, 7, f"The token is {server.token}.")
    [draft] = alice.drafts
    assert draft.text == "The token is <bot token>."


def test_a_drafts_own_stop_button_is_the_command_for_its_turn() -> None:
    """Said by the person whose chat it is, in the topic where it was shown; elsewhere there are none."""
    pressed = read(stored(stopped_message_generation={"chat": PRIVATE, "draft_id": 77}))
    assert pressed == Message(PLACE, "4711", "/stop draft 77", ("stop", "draft 77"))
    assert isinstance(pressed, Message)
    assert route(pressed) == Stop(everything=False, draft_id=77)
    topical = read(stored(stopped_message_generation={"chat": PRIVATE, "draft_id": 77, "message_thread_id": 3}))
    assert isinstance(topical, Message)
    assert topical.thread == Thread("telegram", "4711", "3")
    assert isinstance(read(stored(stopped_message_generation={"chat": GROUP, "draft_id": 77})), Ignored)
