"""A group that goes by another number: what waits goes there, and what was sent stays behind under no name."""

from dataclasses import replace

import pytest

from gateway.domain.approval import ApprovalKind
from gateway.domain.events import Moved
from gateway.domain.money import Usd
from gateway.domain.place import Thread
from gateway.domain.preferences import Preferences
from gateway.ports import Decision, Delivered, Elsewhere, NewPost, Post, Rejected
from gateway.store import SqliteStore
from tests.store.kit import APPROVAL, NOW, SESSION, TURN, edit, put, say

pytestmark = pytest.mark.anyio

OLD, NEW, TOPIC = Thread("telegram", "-5"), Thread("telegram", "-100123"), Thread("telegram", "-5", "7")
MOVED = Moved("telegram", OLD.chat, NEW.chat)
LATER = NOW + 10_000


async def moves(store: SqliteStore) -> None:
    """As the engine does."""
    await store.transact(lambda _view: Decision(None, moved=MOVED), NOW)


async def heads(store: SqliteStore) -> list[tuple[str, str, str, str | None]]:
    """(chat, ref, body, edits) of what the service is offered."""
    offered = await store.outbox("telegram", 100, LATER)
    return [(post.thread.chat, post.ref, post.body, post.edits) for post in offered]


async def sends(store: SqliteStore, message_id: str = "m1") -> Post:
    """Deliver the next message."""
    [post] = await store.outbox("telegram", 1, LATER)
    await store.sending(post)
    await store.receipted(post, Delivered(message_id))
    return post


async def test_what_waits_goes_to_the_new_number_once(store: SqliteStore) -> None:
    """Messages in every topic, in their order; told twice it is one move, and the store knows it."""
    await put(store, posts=(say("a", thread=OLD), say("b", thread=TOPIC), say("c", thread=Thread("telegram", "9"))))
    await moves(store)
    await moves(store)
    assert [(chat, ref) for chat, ref, _, _ in await heads(store)] == [("-100123", "a"), ("-100123", "b"), ("9", "c")]
    assert await store.read(lambda view: view.moves("telegram")) == (("-5", "-100123"),)
    assert await store.read(lambda view: view.moves("memory")) == ()


async def test_sessions_their_threads_and_questions_move_and_messages_of_turns_lose_their_number(
    store: SqliteStore,
) -> None:
    """The current session of each thread is the same; who looks in the old chat finds nothing."""
    session, topical = replace(SESSION, thread=OLD), replace(SESSION, id="s_2", thread=TOPIC, agent_session="other")
    question = replace(APPROVAL, thread=OLD)
    await put(store, put=(session, topical, replace(TURN, message_id="55"), question))
    await moves(store)

    def look(view):
        there = (view.current_session(NEW), view.current_session(replace(TOPIC, chat=NEW.chat)))
        return there, view.current_session(OLD), view.approval(question.id), view.turn(TURN.id)

    there, nothing, moved, turn = await store.read(look)
    assert [one.id for one in there] == ["s_1", "s_2"]
    assert nothing is None
    assert (moved.thread, moved.tokens) == (NEW, question.tokens)
    assert turn.message_id == ""


@pytest.mark.parametrize("chosen", [None, "20"])
async def test_what_was_chosen_for_the_chat_is_chosen_still(store: SqliteStore, chosen: str | None) -> None:
    """Attack 15: who is asked from $0.25 on is asked from there on in the supergroup too, unless something was chosen there."""
    strict = Preferences("telegram", OLD.chat, confirm_above=Usd.parse("0.25"), confirm_by="8", quiet="22:00-07:00")
    own = Preferences("telegram", NEW.chat, confirm_above=Usd.parse(chosen or "1"), confirm_by="7")
    await put(store, put=(strict, own) if chosen else (strict,))
    await moves(store)
    await moves(store)
    found = await store.read(lambda view: view.preferences(NEW))
    assert found == (own if chosen else replace(strict, chat=NEW.chat))


async def test_a_message_that_was_sent_stays_behind_and_what_changes_it_is_a_new_one(store: SqliteStore) -> None:
    """It is known under no number, so that nothing in the new chat is taken for it; one that had to change is there anew, whether the
    change waited already or comes later.
    """
    await put(store, posts=(say("status", thread=OLD), say("other", thread=OLD)))
    await sends(store, "m1")
    await sends(store, "m2")
    await put(store, posts=(edit("status", "half", thread=OLD),))
    await moves(store)
    assert await heads(store) == [("-100123", "status", "half", None)]
    assert await store.read(lambda view: (view.message_id("other"), view.ref_of(NEW, "m1"))) == (None, None)
    await sends(store, "n1")
    await put(store, posts=(edit("status", "done", thread=NEW), edit("other", "too", thread=NEW)))
    assert sorted(await heads(store)) == [("-100123", "other", "too", None)]
    await sends(store, "n2")
    assert await heads(store) == [("-100123", "status", "done", "n1")]


async def test_a_message_on_its_way_while_the_group_moves_is_there_once(store: SqliteStore) -> None:
    """It arrived just before, or it was refused with the new number: then it waits to go there; an edit is the same."""
    await put(store, posts=(say("early", thread=OLD), say("late", thread=OLD)))
    [early] = await store.outbox("telegram", 1, LATER)
    await store.sending(early)
    await moves(store)
    await store.receipted(early, Delivered("m1"))
    assert await store.read(lambda view: view.message_id("early")) is None
    [late] = await store.outbox("telegram", 1, LATER)
    await store.sending(late)
    assert await store.receipted(late, Elsewhere(NEW.chat)) == Elsewhere(NEW.chat)
    assert [(chat, ref) for chat, ref, _, _ in await heads(store)] == [("-100123", "late")]


async def test_a_chat_that_sends_elsewhere_for_ever_is_given_up(store: SqliteStore) -> None:
    """No message is tried without end."""
    await put(store, posts=(say("a", thread=OLD),))
    receipt = None
    for _ in range(30):
        for post in await store.outbox("telegram", 1, LATER):
            await store.sending(post)
            receipt = await store.receipted(post, Elsewhere(NEW.chat))
    assert isinstance(receipt, Rejected)
    assert await heads(store) == []


async def test_questions_that_stand_in_the_chat_are_told_and_menus_and_waiting_ones_are_not(store: SqliteStore) -> None:
    """Only what people have before them has to be put again."""
    shown = replace(APPROVAL, thread=OLD)
    waits = replace(shown, id="ask_2", tokens=("x1", "x2"))
    menu = replace(shown, id="menu", kind=ApprovalKind.MENU, tokens=("y1", "y2"))
    await put(store, put=(replace(SESSION, thread=OLD), shown, waits, menu), posts=(say(shown.ref, thread=OLD),))
    await sends(store)
    await put(store, posts=(say(waits.ref, thread=OLD),))
    found = await store.read(lambda view: view.shown_approvals("telegram", OLD.chat))
    assert [one.id for one in found] == [shown.id]


async def test_where_the_bot_is_no_more_nothing_waits(store: SqliteStore) -> None:
    """In all topics of that chat, and in no other."""
    await put(store, posts=(say("a", thread=OLD), say("b", thread=TOPIC), say("c", thread=NEW)))
    await store.transact(lambda _view: Decision(None, gone=OLD), NOW)
    assert [ref for _, ref, _, _ in await heads(store)] == ["c"]


async def test_a_post_that_is_to_wait_waits_also_after_a_move_of_others(store: SqliteStore) -> None:
    """A group is left a little later; where it turns out to be a known one, not at all."""
    await put(store, posts=(NewPost(NEW, "leave:telegram:-100123:1", ("leave",), wait_ms=3_000),))
    assert await store.outbox("telegram", 1, NOW + 2_999) == ()
    assert len(await store.outbox("telegram", 1, NOW + 3_001)) == 1
    await moves(store)
    assert await store.outbox("telegram", 1, LATER) == ()
