"""What waits to be said: once, in order, and of many edits only the newest."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.place import Thread
from gateway.ports import Delayed, Delivered, NewPost, Post, Rejected, StoreError, Uncertain
from gateway.store import SqliteStore, open_store
from gateway.store.inbox import DAY_MS
from tests.store.conftest import Clock
from tests.store.kit import NOW, THREAD, call, edit, limit, put, raw, say

pytestmark = pytest.mark.anyio

OTHER = Thread("telegram", "9")


async def deliver(store: SqliteStore, post: Post, message_id: str = "m1") -> None:
    """Send one message as the engine does."""
    await store.sending(post)
    await store.receipted(post, Delivered(message_id))


async def waiting(store: SqliteStore) -> list[tuple[str, str, str | None]]:
    """(ref, body, edits) of what the service is offered."""
    return [(post.ref, post.body, post.edits) for post in await store.outbox("telegram", 100)]


async def test_messages_wait_in_the_order_they_were_said(store: SqliteStore) -> None:
    """All parts of a message, oldest message first, and only those of the service asked for."""
    elsewhere = say("c", thread=Thread("console", "1"))
    await put(store, posts=(NewPost(THREAD, "a", ("a1", "a2"), ring=True), elsewhere, say("b")))
    posts = await store.outbox("telegram", 100)
    assert [(post.ref, post.body, post.ring) for post in posts] == [
        ("a", "a1", True),
        ("a", "a2", True),
        ("b", "b", False),
    ]
    assert {post.thread for post in posts} == {THREAD}


async def test_a_busy_thread_does_not_keep_others_waiting(store: SqliteStore) -> None:
    """The threads take turns, so that a limit on how many are read starves none of them."""
    await put(store, posts=tuple(say(f"busy{n}") for n in range(9)))
    await put(store, posts=(say("quiet", thread=OTHER),))
    assert [post.ref for post in await store.outbox("telegram", 2)] == ["busy0", "quiet"]


async def test_the_same_message_is_said_once(store: SqliteStore) -> None:
    """A ref that was said before is ignored, whether it waits or was delivered."""
    await put(store, posts=(say("a", "first"), say("a", "second")))
    (post,) = await store.outbox("telegram", 10)
    assert post.body == "first"
    await deliver(store, post)
    await put(store, posts=(say("a", "third"),))
    assert await waiting(store) == []


async def test_a_delivered_message_is_known_by_its_last_part(store: SqliteStore) -> None:
    """The buttons stand there; until it is delivered there is no name."""
    await put(store, posts=(say("a", "1", "2"),))
    first, last = await store.outbox("telegram", 10)
    await deliver(store, first, "m1")
    assert await store.read(lambda view: view.message_id("a")) is None
    await deliver(store, last, "m2")
    assert await store.read(lambda view: view.message_id("a")) == "m2"


async def test_an_edit_of_what_still_waits_replaces_it(store: SqliteStore) -> None:
    """The message is sent once, with the newest words; several parts become one."""
    await put(store, posts=(say("a", "1", "2", "3"), say("b")))
    await put(store, posts=(edit("a", "new"),))
    assert await waiting(store) == [("a", "new", None), ("b", "b", None)]
    for post in await store.outbox("telegram", 10):
        await deliver(store, post, f"m-{post.ref}")
    assert await store.read(lambda view: view.message_id("a")) == "m-a"


async def test_an_edit_of_a_half_sent_message_becomes_its_last_part(store: SqliteStore) -> None:
    """What was sent stays; what still waits becomes the one new body, and later edits go there."""
    await put(store, posts=(say("a", "1", "2", "3"),))
    await deliver(store, (await store.outbox("telegram", 1))[0], "m1")
    await put(store, posts=(edit("a", "new"),))
    (post,) = await store.outbox("telegram", 10)
    assert (post.body, post.edits) == ("new", None)
    await deliver(store, post, "m2")
    await put(store, posts=(edit("a", "newer"),))
    assert await waiting(store) == [("a", "newer", "m2")]


async def test_of_several_edits_only_the_newest_is_sent(store: SqliteStore) -> None:
    """It keeps the place of the oldest, so that a message that changes all the time is still changed."""
    await put(store, posts=(say("a"),))
    await deliver(store, (await store.outbox("telegram", 1))[0])
    await put(store, posts=(edit("a", "1"), say("b"), edit("a", "2")))
    await put(store, posts=(edit("a", "3"),))
    assert await waiting(store) == [("a", "3", "m1"), ("b", "b", None)]
    await deliver(store, (await store.outbox("telegram", 1))[0])
    assert await waiting(store) == [("b", "b", None)]


async def test_an_edit_never_overtakes_its_message(store: SqliteStore) -> None:
    """While the message is on its way the edit waits, and then names it."""
    await put(store, posts=(say("a"),))
    (post,) = await store.outbox("telegram", 1)
    await store.sending(post)
    await put(store, posts=(edit("a", "new"), edit("a", "newer")))
    assert await waiting(store) == []
    await store.receipted(post, Delivered("m1"))
    assert await waiting(store) == [("a", "newer", "m1")]


async def test_a_message_put_back_takes_over_an_edit_that_came_meanwhile(store: SqliteStore) -> None:
    """There is one message to send again, with the newest words."""
    await put(store, posts=(say("a"),))
    (post,) = await store.outbox("telegram", 1)
    await store.sending(post)
    await put(store, posts=(edit("a", "new"),))
    await store.receipted(post, Delayed(1000))
    assert await waiting(store) == [("a", "new", None)]


async def test_an_edit_put_back_gives_way_to_a_newer_one(store: SqliteStore) -> None:
    """The older words are never sent after the newer ones."""
    await put(store, posts=(say("a"),))
    await deliver(store, (await store.outbox("telegram", 1))[0])
    await put(store, posts=(edit("a", "1"),))
    (post,) = await store.outbox("telegram", 1)
    await store.sending(post)
    await put(store, posts=(edit("a", "2"),))
    await store.receipted(post, Delayed(1000))
    assert await waiting(store) == [("a", "2", "m1")]


async def test_an_edit_that_came_after_the_message_was_taken_follows_it(store: SqliteStore) -> None:
    """Between reading the outbox and sending, the words may change: the new ones are not lost."""
    await put(store, posts=(say("a", "1", "2"),))
    taken = await store.outbox("telegram", 10)
    await put(store, posts=(edit("a", "new"),))
    for number, post in enumerate(taken):
        await deliver(store, post, f"m{number}")
    assert await waiting(store) == [("a", "new", "m1")]


async def test_a_delayed_message_holds_up_its_thread_until_it_is_due(store: SqliteStore, clock: Clock) -> None:
    """What was said later does not overtake it, and other threads go on; without a time everything that waits is shown."""
    await put(store, posts=(say("a"), say("b"), say("c", thread=OTHER)))
    post = (await store.outbox("telegram", 1))[0]
    await store.sending(post)
    await store.receipted(post, Delayed(1000))
    assert [p.ref for p in await store.outbox("telegram", 10, now_ms=clock.ms + 999)] == ["c"]
    assert sorted(p.ref for p in await store.outbox("telegram", 10, now_ms=clock.ms + 1000)) == ["a", "b", "c"]
    assert sorted(p.ref for p in await store.outbox("telegram", 10)) == ["a", "b", "c"]


async def test_a_thread_with_a_message_on_its_way_sends_nothing_else(store: SqliteStore) -> None:
    """So that no two messages of a thread can arrive in the wrong order."""
    await put(store, posts=(say("a"), say("b"), say("c", thread=OTHER)))
    await store.sending((await store.outbox("telegram", 1))[0])
    assert [post.ref for post in await store.outbox("telegram", 10)] == ["c"]


@pytest.mark.parametrize("receipt", [Uncertain("timed out"), Rejected("blocked")])
async def test_a_message_that_may_not_be_there_is_neither_repeated_nor_changed(
    store: SqliteStore, receipt: Uncertain | Rejected
) -> None:
    """Edits of it are dropped, those that wait and those that come."""
    await put(store, posts=(say("a"),))
    (post,) = await store.outbox("telegram", 1)
    await store.sending(post)
    await put(store, posts=(edit("a", "1"),))
    await store.receipted(post, receipt)
    await put(store, posts=(edit("a", "2"), edit("a", "3"), edit("unheard", "4")))
    assert await waiting(store) == []
    assert await store.unsure() == (((THREAD, "a", "timed out"),) if isinstance(receipt, Uncertain) else ())
    rows = raw(store).execute("SELECT ref, state FROM outbox WHERE edit = 1").fetchall()
    assert sorted(rows) == [("a", "rejected"), ("unheard", "rejected")]


async def test_an_uncertain_message_is_sent_again_when_a_person_asks(store: SqliteStore) -> None:
    """Once; a message that is certain is not."""
    await put(store, posts=(say("a"),))
    (post,) = await store.outbox("telegram", 1)
    await store.sending(post)
    await store.receipted(post, Uncertain("timed out"))
    assert await store.requeue("a")
    assert not await store.requeue("a")
    assert await waiting(store) == [("a", "a", None)]
    assert await store.unsure() == ()


async def test_a_message_is_not_sent_twice(store: SqliteStore) -> None:
    """A second attempt to send what was sent, and a second receipt, are errors."""
    await put(store, posts=(say("a"),))
    (post,) = await store.outbox("telegram", 1)
    await deliver(store, post)
    with pytest.raises(StoreError, match="not sent twice"):
        await store.sending(post)
    with pytest.raises(StoreError, match="receipt means nothing"):
        await store.receipted(post, Delivered("m2"))
    with pytest.raises(StoreError):
        await store.sending(replace(post, id=99))


async def test_what_was_sent_is_not_kept(store: SqliteStore) -> None:
    """Bodies and payloads are blanked once they have served."""
    await store.accept("telegram", "1", "secret", NOW)
    await put(store, posts=(say("a", "secret"),), handled=("telegram", "1"))
    await deliver(store, (await store.outbox("telegram", 1))[0])
    await put(store, posts=(edit("a", "secret"),))
    await deliver(store, (await store.outbox("telegram", 1))[0])
    assert raw(store).execute("SELECT body FROM outbox").fetchall() == [("",)]
    assert raw(store).execute("SELECT payload FROM inbox").fetchall() == [("",)]


async def test_a_full_outbox_takes_no_more_but_facts(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """New messages are refused with their decision; what was spent is booked, and edits of what waits are taken."""
    monkeypatch.setattr("gateway.store.posts.MOST_WAITING", 2)
    await put(store, posts=(say("a"), say("b")))
    with pytest.raises(StoreError, match="2 messages wait"):
        await put(store, entries=(limit(5),), posts=(say("c"),))
    await put(store, entries=(call("c1", 1, 0),), posts=(say("d"),))
    await put(store, posts=(edit("a", "new"),))
    assert [ref for ref, _, _ in await waiting(store)] == ["a", "b", "d"]


@pytest.mark.parametrize("bodies", [(), ("x" * 65_537,), ("\u00e4" * 32_769,)])
async def test_a_message_without_or_with_too_large_a_body_is_refused(
    store: SqliteStore, bodies: tuple[str, ...]
) -> None:
    """With the whole decision."""
    with pytest.raises(StoreError, match="empty or larger"):
        await put(store, entries=(limit(5),), posts=(NewPost(THREAD, "a", bodies),))
    assert await waiting(store) == []


async def test_after_a_crash_what_was_on_its_way_is_uncertain(home: Path, clock: Clock) -> None:
    """A message is not repeated; an edit is, since saying the same twice changes nothing."""
    async with open_store(home, clock.now_ms) as store:
        await put(store, posts=(say("a"), say("b", thread=OTHER), say("c")))
        first, second, _ = await store.outbox("telegram", 10)
        await deliver(store, second, "m-b")
        await put(store, posts=(edit("b", "new", OTHER),))
        await store.sending(first)
        (on_its_way,) = [post for post in await store.outbox("telegram", 10) if post.edits]
        await store.sending(on_its_way)
    async with open_store(home, clock.now_ms) as store:
        assert [(thread, ref) for thread, ref, _ in await store.unsure()] == [(THREAD, "a")]
        assert sorted(await waiting(store)) == [("b", "new", "m-b"), ("c", "c", None)]


async def test_what_is_long_done_with_is_forgotten(store: SqliteStore, clock: Clock) -> None:
    """Handled updates after a week, messages after ninety days; what waits stays."""
    await store.accept("telegram", "1", "one", NOW)
    await store.accept("telegram", "2", "two", NOW)
    await put(store, posts=(say("a"), say("b")), handled=("telegram", "1"))
    await deliver(store, (await store.outbox("telegram", 1))[0])
    counts = []
    for days in (7, 8, 91):
        clock.ms = NOW + days * DAY_MS
        await store.accept("telegram", f"later{days}", "", clock.ms)
        counts.append(raw(store).execute("SELECT (SELECT count(*) FROM inbox), count(*) FROM outbox").fetchone())
    assert counts == [(3, 2), (3, 2), (4, 1)]
