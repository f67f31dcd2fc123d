"""What becomes of a post when Telegram, the network or the person do not play along."""

import pytest

from gateway.chats.telegram import TelegramChat
from gateway.domain.effects import Button
from gateway.domain.events import Tap
from gateway.domain.place import Thread
from gateway.ports import Delayed, Delivered, Gone, Post, Receipt, Rejected, Uncertain
from tests.fakes.bot_api import BotApi, Phone

pytestmark = pytest.mark.anyio

PLACE = Thread("telegram", "4711")


async def send(chat: TelegramChat, text: str = "Hello", thread: Thread = PLACE, *, ring: bool = False) -> Receipt:
    """Send one message."""
    [body] = chat.compose(text, ())
    return await chat.deliver(Post(1, thread, "r", body, ring=ring))


async def edit(chat: TelegramChat, message_id: str, text: str = "Changed", *buttons: Button) -> Receipt:
    """Edit one message."""
    [body] = chat.compose(text, buttons)
    return await chat.deliver(Post(2, PLACE, "r", body, edits=message_id))


async def sent(chat: TelegramChat) -> str:
    """Send a message that arrives; its id."""
    receipt = await send(chat)
    assert isinstance(receipt, Delivered)
    return receipt.message_id


async def test_formatting_buttons_and_silence_reach_the_phone(chat: TelegramChat, alice: Phone, server: BotApi) -> None:
    """A message is quiet unless it has to ring, shows no link previews, and looks as composed."""
    [body] = chat.compose("**Run** it? https://x.y", [Button("Run", "t1"), Button("No", "t2")])
    assert isinstance(await chat.deliver(Post(1, PLACE, "r", body)), Delivered)
    [seen] = alice.sees()
    assert seen.text == "Run it? https://x.y"
    assert seen.entities[0]["type"] == "bold"
    assert [(button.text, button.data) for button in seen.buttons] == [("Run", "t1"), ("No", "t2")]
    [request] = server.requests("sendMessage")
    assert request.params["disable_notification"] is True
    assert request.params["link_preview_options"] == {"is_disabled": True}
    await send(chat, "Wake up", ring=True)
    assert server.requests("sendMessage")[-1].params["disable_notification"] is False


@pytest.mark.parametrize(
    "body", ["", "[]", "{", '{"text": "a\\ud800b"}', '{"text": "a", "reply_markup": {"\\udc00": 1}}']
)
async def test_a_body_that_was_not_composed_here_is_rejected_before_it_goes_out(
    chat: TelegramChat, server: BotApi, body: str
) -> None:
    """Nobody has to wonder whether such a message arrived."""
    assert isinstance(await chat.deliver(Post(1, PLACE, "r", body)), Rejected)
    assert server.requests("sendMessage") == []


@pytest.mark.parametrize("odd", ["\ud83d", "\x00", "&#0;", "&#27;", "\u2028", "\ufeff", "\U0010ffff"])
async def test_odd_characters_keep_no_message_from_arriving(chat: TelegramChat, alice: Phone, odd: str) -> None:
    """What an agent prints, and what a label or an answer to a press holds, is always taken by Telegram."""
    [body] = chat.compose(f"a{odd} **b{odd}** `c{odd}` [d{odd}](https://x.y/{odd})", [Button(f"Run{odd}", "t")])
    assert isinstance(await chat.deliver(Post(1, PLACE, "r", body)), Delivered)
    [seen] = alice.sees()
    assert seen.text.startswith("a")
    query = alice.taps("t")
    await chat.acknowledge(Tap(PLACE, "4711", "t", str(seen.message_id), query), f"No{odd}")
    assert (await alice.waits_for_answer(query)).text.startswith("No")


async def test_a_topic_gets_its_own_messages(chat: TelegramChat, server: BotApi, alice: Phone) -> None:
    """A thread in a forum is answered there, and typing shows there."""
    group = server.group(-100123, forum=True)
    member, topic = group.joined_by(alice), group.topic("Work")
    place = Thread("telegram", "-100123", str(topic))
    assert isinstance(await send(chat, thread=place), Delivered)
    await chat.typing(place)
    assert [seen.thread for seen in member.sees(topic)] == [topic]
    assert [action.thread for action in member.actions] == [topic]


async def test_a_lost_answer_to_a_send_is_uncertain(chat: TelegramChat, server: BotApi, alice: Phone) -> None:
    """The message may be there: it is not repeated by itself."""
    server.lose_next("sendMessage")
    assert isinstance(await send(chat), Uncertain)
    server.cut_next("sendMessage")
    assert isinstance(await send(chat), Uncertain)
    assert len(alice.sees()) == 2


async def test_a_lost_answer_to_an_edit_is_tried_again(chat: TelegramChat, server: BotApi, alice: Phone) -> None:
    """An edit may be repeated, and its repetition finds nothing to change."""
    message_id = await sent(chat)
    server.lose_next("editMessageText")
    assert isinstance(await edit(chat, message_id), Delayed)
    assert await edit(chat, message_id) == Delivered(message_id)
    assert [(seen.text, seen.edits) for seen in alice.sees()] == [("Changed", 1)]


async def test_without_a_connection_everything_waits_ever_longer(
    server: BotApi, chat: TelegramChat, alice: Phone
) -> None:
    """What never went out is sent again, for every thread later, and the waits start over after a success."""
    server.goes_down()
    assert [await send(chat) for _ in range(3)] == [Delayed(wait, whole_service=True) for wait in (1_000, 2_000, 4_000)]
    server.comes_back()
    assert isinstance(await send(chat), Delivered)
    server.goes_down()
    assert await send(chat) == Delayed(1_000, whole_service=True)
    server.comes_back()
    assert [seen.text for seen in alice.sees()] == ["Hello"]


@pytest.mark.parametrize("html", [False, True])
async def test_a_failing_server_delays(chat: TelegramChat, server: BotApi, alice: Phone, html: bool) -> None:
    """Telegram said that it failed: the message goes again."""
    server.fail_next("sendMessage", status=502, html=html)
    assert await send(chat) == Delayed(1_000)
    message_id = await sent(chat)
    server.fail_next("editMessageText", status=504, html=html)
    assert await edit(chat, message_id) == Delayed(1_000)
    assert len(alice.sees()) == 1


async def test_a_gateway_that_gave_up_waiting_leaves_a_send_uncertain(
    chat: TelegramChat, server: BotApi, alice: Phone
) -> None:
    """Behind a 504 the message may still have been sent."""
    server.fail_next("sendMessage", status=504)
    assert isinstance(await send(chat), Uncertain)
    assert alice.sees() == []


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_page_of_a_proxy_is_no_word_of_telegram(
    chat: TelegramChat, server: BotApi, alice: Phone, status: int
) -> None:
    """A captive portal rejects nothing for good."""
    server.fail_next("sendMessage", status=status, html=True)
    assert await send(chat) == Delayed(1_000)
    assert alice.sees() == []


async def test_a_flood_in_one_chat_does_not_hold_up_the_others(
    chat: TelegramChat, server: BotApi, alice: Phone
) -> None:
    """Telegram's pause holds for its thread; when a second thread is told to wait too, it holds for all."""
    server.user(12, "Bob")
    server.fail_next("sendMessage", retry_after=7, times=3)
    assert await send(chat) == Delayed(7_000)
    assert await send(chat) == Delayed(7_000)
    assert await send(chat, thread=Thread("telegram", "12")) == Delayed(7_000, whole_service=True)
    assert alice.sees() == []


async def test_refused_formatting_is_sent_plain(chat: TelegramChat, server: BotApi, alice: Phone) -> None:
    """Words come before looks."""
    server.fail_next("sendMessage", status=400, description="Bad Request: can't parse entities: whatever")
    [body] = chat.compose("**bold** words", ())
    assert isinstance(await chat.deliver(Post(1, PLACE, "r", body)), Delivered)
    assert [(seen.text, seen.entities) for seen in alice.sees()] == [("bold words", ())]


async def test_what_can_never_arrive_is_rejected_with_the_reason(
    chat: TelegramChat, server: BotApi, alice: Phone
) -> None:
    """Unknown chat, deleted message, blocked bot, foreign post; of a missing topic it is known that its chat is there."""
    assert await send(chat, thread=Thread("telegram", "5")) == Rejected("Chat not found")
    group = server.group(-100123, forum=True)
    group.joined_by(alice)
    assert await send(chat, thread=Thread("telegram", "-100123", "99")) == Gone("Message thread not found")
    assert isinstance(await edit(chat, "12345"), Rejected)
    assert isinstance(await send(chat, thread=Thread("memory", "not a number")), Rejected)
    assert isinstance(await chat.deliver(Post(1, PLACE, "r", "[]")), Rejected)
    alice.blocks_bot()
    receipt = await send(chat)
    assert isinstance(receipt, Rejected)
    assert "blocked" in receipt.why


async def test_a_revoked_token_loses_no_message(chat: TelegramChat, server: BotApi, alice: Phone) -> None:
    """The message stays until there is a token that works."""
    server.fail_next("sendMessage", status=401)
    assert await send(chat) == Delayed(60_000, whole_service=True)
    assert alice.sees() == []


async def test_a_tap_is_acknowledged_with_as_many_words_as_fit(
    chat: TelegramChat, server: BotApi, alice: Phone
) -> None:
    """200 UTF-16 units at most; too late is harmless."""
    [body] = chat.compose("Run?", [Button("Run", "t1")])
    await chat.deliver(Post(1, PLACE, "r", body))
    query = alice.taps("Run")
    await chat.acknowledge(Tap(PLACE, "4711", "t1", "1", query), "x" + "\U0001f600" * 300)
    answer = await alice.waits_for_answer(query)
    assert answer.text == "x" + "\U0001f600" * 99
    old = alice.taps("Run")
    server.expire_callbacks()
    await chat.acknowledge(Tap(PLACE, "4711", "t1", "1", old), "")
    assert len(alice.answers) == 1


async def test_gaps_follow_telegrams_limits(chat: TelegramChat) -> None:
    """A second between messages in private, more for edits, three seconds in groups."""
    group = Thread("telegram", "-100123")
    assert [chat.gap_ms(PLACE, edit=False), chat.gap_ms(PLACE, edit=True)] == [1_000, 1_500]
    assert [chat.gap_ms(group, edit=False), chat.gap_ms(group, edit=True)] == [3_000, 3_000]


async def test_what_goes_to_a_closed_general_topic_waits_until_it_is_open(
    chat: TelegramChat, server: BotApi, alice: Phone
) -> None:
    """It is no word that it never arrives: a person opens it again, and other topics go on."""
    group = server.group(-100123, forum=True, bot="member")
    member, topic = group.joined_by(alice), group.topic("Work")
    place = Thread("telegram", "-100123")
    delivered = await send(chat, thread=place)
    assert isinstance(delivered, Delivered)
    group.closes_general()
    receipt = await send(chat, thread=place)
    assert isinstance(receipt, Delayed)
    assert (receipt.closed, receipt.whole_service) == (True, False)
    assert isinstance(await send(chat, thread=Thread("telegram", "-100123", str(topic))), Delivered)
    group.closes_general(closed=False)
    assert isinstance(await send(chat, "Now", thread=place), Delivered)
    assert member.sees()[-1].text == "Now"


async def test_a_message_that_was_deleted_cannot_be_changed_now_nor_later(chat: TelegramChat, alice: Phone) -> None:
    """Other refusals of an edit are of that edit alone."""
    message_id = await sent(chat)
    receipt = await edit(chat, str(int(message_id) + 1_000))
    assert alice.sees()
    assert isinstance(receipt, Rejected)
    assert receipt.unchangeable
