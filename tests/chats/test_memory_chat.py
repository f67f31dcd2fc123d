"""What the fake offers beyond the contract: waiting for messages, and outcomes on order."""

from collections.abc import Sequence

import anyio
import pytest

from gateway.chats.memory import MemoryChat
from gateway.domain.effects import Button
from gateway.domain.events import Ignored, Unsupported
from gateway.domain.place import Thread
from gateway.ports import Delayed, Delivered, Post, Rejected, Uncertain

pytestmark = pytest.mark.anyio

THREAD = Thread("memory", "1")


def post(chat: MemoryChat, text: str) -> Post:
    """A post with one button."""
    return Post(1, THREAD, "r", chat.compose(text, [Button("Run, up to $2", "t1")])[0], ring=True)


async def test_prepared_receipts_come_instead_of_deliveries_in_their_order() -> None:
    """Delayed and rejected posts are not shown; an uncertain one is, which is why it must not be repeated."""
    chat = MemoryChat()
    chat.receipts += [Delayed(5), Rejected("blocked"), Uncertain("lost")]
    receipts = [await chat.deliver(post(chat, text)) for text in ("a", "b", "c", "d")]
    assert receipts[:3] == [Delayed(5), Rejected("blocked"), Uncertain("lost")]
    assert isinstance(receipts[3], Delivered)
    assert [shown.text for shown in chat.sees(THREAD)] == ["c", "d"]
    assert all(shown.rang for shown in chat.sees(THREAD))


async def test_waiting_for_words_ends_when_they_are_shown() -> None:
    """A test waits for a message without sleeping."""
    chat = MemoryChat()

    async def later() -> None:
        await chat.deliver(post(chat, "first"))
        await chat.deliver(post(chat, "the answer"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later)
        assert (await chat.waits_for(THREAD, "answer")).text == "the answer"
    [_, shown] = chat.sees(THREAD)
    assert shown.button("Run") == Button("Run, up to $2", "t1")
    with pytest.raises(LookupError, match="Raise"):
        shown.button("Raise")
    with pytest.raises(TimeoutError, match="the answer"):
        await chat.waits_for(THREAD, "never said", within_s=0.01)


async def test_poison_and_foreign_updates_can_be_posted_raw() -> None:
    """What no person sends can still arrive."""
    chat = MemoryChat()
    assert chat.post_raw("rubbish", key="7") == "7"
    assert chat.unconfirmed == ("7",)
    assert chat.read('{"ignored": "a sticker"}') == Ignored("a sticker")


async def test_what_a_chat_cannot_read_can_be_posted_like_everything_else() -> None:
    """Tests of the engine say what a person sent that is no text."""
    chat = MemoryChat()
    sent = Unsupported(THREAD, "4711", "I read text only for now.", "album:7")
    chat.post(sent)
    received = anyio.Event()

    async def accept(updates: Sequence[tuple[str, str]]) -> None:
        [(_, payload)] = updates
        assert chat.read(payload) == sent
        received.set()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat.receive, accept)
            await received.wait()
            tasks.cancel_scope.cancel()
