"""What waits to be said: once, in order, and of many edits only the newest."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.files import card_ref, enclosed
from gateway.domain.files import FileKind, Parcel
from gateway.domain.place import Thread
from gateway.ports import (
    LONGEST_WAIT_MS,
    Decision,
    Delayed,
    Delivered,
    FullError,
    Gone,
    NewPost,
    Post,
    Receipt,
    Rejected,
    StoreError,
    Uncertain,
)
from gateway.store import SqliteStore, open_store, posts
from gateway.store.inbox import DAY_MS
from tests.store.conftest import Clock
from tests.store.kit import NOW, THREAD, call, edit, limit, put, raw, say

pytestmark = pytest.mark.anyio

OTHER = Thread("telegram", "9")


async def deliver(store: SqliteStore, post: Post, message_id: str = "m1") -> None:
    """Send one message as the engine does."""
    await store.sending(post)
    await store.receipted(post, Delivered(message_id))


LATER = NOW + 2000


async def due(store: SqliteStore, now_ms: int = LATER) -> list[tuple[str, str, str | None]]:
    """(ref, body, edits) of what the service is offered."""
    return [(post.ref, post.body, post.edits) for post in await store.outbox("telegram", 100, now_ms)]


async def deliver_all(store: SqliteStore, now_ms: int = LATER) -> list[tuple[str, str, str | None]]:
    """Send everything as the engine does, each message under its ref; (ref, body, edits) in the order of delivery."""
    sent = []
    while posts := await store.outbox("telegram", 1, now_ms):
        await deliver(store, posts[0], f"m-{posts[0].ref}")
        sent.append((posts[0].ref, posts[0].body, posts[0].edits))
    return sent


async def test_a_message_that_waits_for_a_change_goes_with_it_at_once(store: SqliteStore) -> None:
    """With what it was changed to; what follows in its thread waits as long, and no longer."""
    card = NewPost(THREAD, "card", ("words",), wait_ms=60_000)
    await put(store, posts=(card, say("b")))
    assert await store.read(lambda view: (view.is_waiting("card"), view.is_waiting("none"))) == (True, False)
    assert await due(store) == []
    assert [ref for ref, _, _ in await due(store, NOW + 60_000)] == ["card"]
    await put(store, posts=(NewPost(THREAD, "card", ("picture",), edit=True, at_once=True),))
    assert await deliver_all(store) == [("card", "picture", None), ("b", "b", None)]
    assert not await store.read(lambda view: view.is_waiting("card"))


async def test_the_copy_under_a_cards_words_is_kept_until_it_has_arrived(store: SqliteStore) -> None:
    """Words alone hold none; a picture that may not have arrived is there to be sent again."""
    copy = Parcel("/srv/spool/file_1.png", "spending.png", FileKind.PHOTO, 5, "/srv/spending.png")
    ref = card_ref("note_1")
    await put(store, posts=(NewPost(THREAD, ref, ("{}",), wait_ms=60_000),))
    assert await store.read(lambda view: view.unsent_files()) == frozenset()
    await put(store, posts=(NewPost(THREAD, ref, (enclosed(copy, "{}"),), edit=True, at_once=True),))
    [post] = await store.outbox("telegram", 1, LATER)
    await store.sending(post)
    await store.receipted(post, Uncertain("no answer"))
    assert await store.read(lambda view: view.unsent_files()) == {copy.path}
    assert await store.requeue(ref)
    assert await deliver_all(store) == [(ref, enclosed(copy, "{}"), None)]
    assert await store.read(lambda view: view.unsent_files()) == frozenset()


async def test_a_change_lets_nothing_go_that_the_service_wants_to_wait(store: SqliteStore) -> None:
    """A flood is waited for, whatever the message says by then."""
    await put(store, posts=(NewPost(THREAD, "card", ("words",), wait_ms=1_000),))
    [post] = await store.outbox("telegram", 1, LATER)
    await store.sending(post)
    await store.receipted(post, Delayed(60_000))
    await put(store, posts=(NewPost(THREAD, "card", ("picture",), edit=True, at_once=True),))
    assert await due(store) == []
    assert await due(store, LATER + 120_000) == [("card", "picture", None)]


async def test_messages_wait_in_the_order_they_were_said(store: SqliteStore) -> None:
    """All parts of a message, oldest message first, and only those of the service asked for."""
    elsewhere = say("c", thread=Thread("console", "1"))
    await put(store, posts=(NewPost(THREAD, "a", ("a1", "a2"), ring=True), elsewhere, say("b")))
    (post,) = await store.outbox("telegram", 100, NOW)
    assert (post.thread, post.ring) == (THREAD, True)
    assert await deliver_all(store) == [("a", "a1", None), ("a", "a2", None), ("b", "b", None)]


async def test_a_message_of_several_parts_rings_once(store: SqliteStore) -> None:
    """The first part does; a long answer is no alarm."""
    await put(store, posts=(NewPost(THREAD, "a", ("a1", "a2", "a3"), ring=True),))
    rang: list[bool] = []
    while posts := await store.outbox("telegram", 1, LATER):
        rang.append(posts[0].ring)
        await deliver(store, posts[0], f"m{len(rang)}")
    assert rang == [True, False, False]


async def test_a_busy_thread_does_not_keep_others_waiting(store: SqliteStore) -> None:
    """Each thread offers one message, the oldest of them first; topics of a chat are threads of their own."""
    topic = Thread("telegram", "4711", "5")
    await put(store, posts=tuple(say(f"busy{n}") for n in range(9)))
    await put(store, posts=(say("topic", thread=topic), say("quiet", thread=OTHER), say("quiet2", thread=OTHER)))
    assert [post.ref for post in await store.outbox("telegram", 9, NOW)] == ["busy0", "topic", "quiet"]
    assert [post.ref for post in await store.outbox("telegram", 2, NOW)] == ["busy0", "topic"]


async def test_an_answer_does_not_wait_behind_a_progress_line(store: SqliteStore) -> None:
    """In a thread new messages go before changes of old ones."""
    await put(store, posts=(say("a"),))
    await deliver_all(store)
    await put(store, posts=(edit("a", "1"), say("b")))
    assert await deliver_all(store) == [("b", "b", None), ("a", "1", "m-a")]


async def test_the_same_message_is_said_once(store: SqliteStore) -> None:
    """A ref that was said before is ignored, whether it waits or was delivered."""
    await put(store, posts=(say("a", "first"), say("a", "second")))
    (post,) = await store.outbox("telegram", 10, NOW)
    assert post.body == "first"
    await deliver(store, post)
    await put(store, posts=(say("a", "third"),))
    assert await due(store) == []


async def test_a_delivered_message_is_known_by_its_last_part(store: SqliteStore) -> None:
    """The buttons stand there; until it is delivered there is no name."""
    await put(store, posts=(say("a", "1", "2"),))
    await deliver(store, (await store.outbox("telegram", 1, NOW))[0], "m1")
    assert await store.read(lambda view: view.message_id("a")) is None
    await deliver(store, (await store.outbox("telegram", 1, NOW))[0], "m2")
    assert await store.read(lambda view: view.message_id("a")) == "m2"


async def test_an_edit_of_what_still_waits_replaces_it(store: SqliteStore) -> None:
    """The message is sent once, with the newest words; several parts become one."""
    await put(store, posts=(say("a", "1", "2", "3"), say("b")))
    await put(store, posts=(edit("a", "new"),))
    assert await deliver_all(store) == [("a", "new", None), ("b", "b", None)]
    assert await store.read(lambda view: view.message_id("a")) == "m-a"


async def test_an_edit_of_a_half_sent_message_becomes_its_last_part(store: SqliteStore) -> None:
    """What was sent stays; what still waits becomes the one new body, and later edits go there."""
    await put(store, posts=(say("a", "1", "2", "3"),))
    await deliver(store, (await store.outbox("telegram", 1, NOW))[0], "m1")
    await put(store, posts=(edit("a", "new"),))
    (post,) = await store.outbox("telegram", 10, NOW)
    assert (post.body, post.edits) == ("new", None)
    await deliver(store, post, "m2")
    await put(store, posts=(edit("a", "newer"),))
    assert await due(store) == [("a", "newer", "m2")]


async def test_of_several_edits_only_the_newest_is_sent(store: SqliteStore) -> None:
    """It keeps the place of the oldest, so that a message that changes all the time is still changed."""
    await put(store, posts=(say("a"), say("b")))
    await deliver_all(store)
    await put(store, posts=(edit("a", "1"), edit("b", "1"), edit("a", "2")))
    await put(store, posts=(edit("a", "3"),))
    assert await deliver_all(store) == [("a", "3", "m-a"), ("b", "1", "m-b")]


async def test_an_edit_never_overtakes_its_message(store: SqliteStore) -> None:
    """While the message is on its way the edit waits, and then names it."""
    await put(store, posts=(say("a"),))
    (post,) = await store.outbox("telegram", 1, NOW)
    await store.sending(post)
    await put(store, posts=(edit("a", "new"), edit("a", "newer")))
    assert await due(store) == []
    await store.receipted(post, Delivered("m1"))
    assert await due(store) == [("a", "newer", "m1")]


async def test_a_message_put_back_takes_over_an_edit_that_came_meanwhile(store: SqliteStore) -> None:
    """There is one message to send again, with the newest words."""
    await put(store, posts=(say("a"),))
    (post,) = await store.outbox("telegram", 1, NOW)
    await store.sending(post)
    await put(store, posts=(edit("a", "new"),))
    await store.receipted(post, Delayed(1000))
    assert await due(store) == [("a", "new", None)]


async def test_an_edit_put_back_gives_way_to_a_newer_one(store: SqliteStore) -> None:
    """The older words are never sent after the newer ones."""
    await put(store, posts=(say("a"),))
    await deliver(store, (await store.outbox("telegram", 1, NOW))[0])
    await put(store, posts=(edit("a", "1"),))
    (post,) = await store.outbox("telegram", 1, NOW)
    await store.sending(post)
    await put(store, posts=(edit("a", "2"),))
    await store.receipted(post, Delayed(1000))
    assert await due(store) == [("a", "2", "m1")]


async def test_an_edit_that_came_after_the_message_was_taken_follows_it(store: SqliteStore) -> None:
    """Between reading the outbox and sending, the words may change: the new ones are not lost."""
    await put(store, posts=(say("a", "1", "2"),))
    (taken,) = await store.outbox("telegram", 10, NOW)
    await put(store, posts=(edit("a", "new"),))
    await deliver(store, taken)
    assert await deliver_all(store) == [("a", "new", "m1")]


async def test_a_delayed_message_holds_up_its_thread_until_it_is_due(home: Path, clock: Clock) -> None:
    """What was said later does not overtake it, and other threads go on; so it is also after a restart."""
    async with open_store(home, clock.now_ms) as store:
        await put(store, posts=(say("a"), say("b"), say("c", thread=OTHER)))
        post = (await store.outbox("telegram", 1, NOW))[0]
        await store.sending(post)
        assert await store.receipted(post, Delayed(1000)) == Delayed(1000)
    async with open_store(home, clock.now_ms) as store:
        assert [ref for ref, _, _ in await due(store, NOW + 999)] == ["c"]
        assert [ref for ref, _, _ in await due(store, NOW + 1000)] == ["a", "c"]
        assert [await store.delayed_ms("telegram", NOW + later) for later in (0, 999, 1000)] == [1000, 1, None]
        assert await store.delayed_ms("console", NOW) is None


async def test_no_delay_outlasts_the_longest_whatever_the_clock_says(store: SqliteStore) -> None:
    """A wait of years is cut to a day; a clock that was set back by more than that leaves nothing waiting."""
    await put(store, posts=(say("a"),))
    (post,) = await store.outbox("telegram", 1, NOW)
    await store.sending(post)
    await store.receipted(post, Delayed(10**12))
    assert await store.delayed_ms("telegram", NOW) == LONGEST_WAIT_MS
    assert await due(store, NOW) == await due(store, NOW + LONGEST_WAIT_MS - 1) == []
    assert await due(store, NOW + LONGEST_WAIT_MS) == await due(store, NOW - 1) == [("a", "a", None)]


async def put_off(
    store: SqliteStore, delay: Delayed | Uncertain | Rejected, times: int, now_ms: int = LATER
) -> list[Receipt]:
    """Try to send the next message so often; what became of it each time."""
    became = []
    for _ in range(times):
        (post,) = await store.outbox("telegram", 1, now_ms)
        await store.sending(post)
        became.append(await store.receipted(post, delay))
    return became


async def test_a_message_that_is_put_off_for_hours_is_not_given_up(store: SqliteStore, clock: Clock) -> None:
    """Attack 66: a service that answers with errors, or wants fewer messages, loses no answer: not in an evening, and not by a doubt
    at its end.
    """
    await put(store, posts=(say("a"),))
    assert await put_off(store, Delayed(1), 200) == [Delayed(1)] * 200
    clock.ms = NOW + posts.GIVE_UP_MS - 1
    later = clock.ms + 2000
    assert await put_off(store, Delayed(1), 1, later) == [Delayed(1)]
    assert await put_off(store, Uncertain("no answer"), 1, later) == [Uncertain("no answer")]
    assert await store.requeue("a")
    assert await deliver_all(store, later) == [("a", "a", None)]


async def test_a_message_that_is_put_off_again_and_again_is_rejected(store: SqliteStore, clock: Clock) -> None:
    """After twenty times, hours later; what was said after it goes on, and the doctor is told why. A service that is away does not
    count.
    """
    await put(store, posts=(say("a"), say("b")))
    away = Delayed(1, whole_service=True)
    assert await put_off(store, away, 30) == [away] * 30
    clock.ms = NOW + posts.GIVE_UP_MS
    later = clock.ms + 2000
    assert await put_off(store, Delayed(1), 20, later) == [Delayed(1)] * 19 + [Rejected("it was put off 20 times")]
    assert await deliver_all(store, later) == [("b", "b", None)]
    reasons = await store._reads.run(lambda connection: posts.never_arrived(connection, NOW))
    assert reasons == ("it was put off 20 times",)
    assert await store._reads.run(lambda connection: posts.never_arrived(connection, NOW + 1)) == ()


async def test_an_edit_that_may_not_be_there_is_sent_again(store: SqliteStore) -> None:
    """It says the same however often it is sent; but not without end."""
    await put(store, posts=(say("a"),))
    await deliver_all(store)
    await put(store, posts=(edit("a", "1"),))
    assert await put_off(store, Uncertain("no answer"), 19) == [Delayed(1000)] * 19
    assert await store.unsure() == ()
    assert await due(store) == [("a", "1", "m-a")]
    assert await put_off(store, Uncertain("no answer"), 1) == [Rejected("it was put off 20 times")]


async def test_a_thread_with_a_message_on_its_way_sends_nothing_else(store: SqliteStore) -> None:
    """So that no two messages of a thread can arrive in the wrong order."""
    await put(store, posts=(say("a"), say("b"), say("c", thread=OTHER)))
    await store.sending((await store.outbox("telegram", 1, NOW))[0])
    assert [post.ref for post in await store.outbox("telegram", 10, NOW)] == ["c"]


@pytest.mark.parametrize("receipt", [Uncertain("timed out"), Rejected("blocked")])
async def test_a_message_that_may_not_be_there_is_neither_repeated_nor_changed(
    store: SqliteStore, receipt: Uncertain | Rejected
) -> None:
    """Edits of it are dropped, those that wait and those that come."""
    await put(store, posts=(say("a"),))
    (post,) = await store.outbox("telegram", 1, NOW)
    await store.sending(post)
    await put(store, posts=(edit("a", "1"),))
    await store.receipted(post, receipt)
    await put(store, posts=(edit("a", "2"), edit("a", "3"), edit("unheard", "4")))
    assert await due(store) == []
    assert await store.unsure() == (((THREAD, "a", "timed out"),) if isinstance(receipt, Uncertain) else ())
    rows = raw(store).execute("SELECT ref, state FROM outbox WHERE edit = 1").fetchall()
    assert sorted(rows) == [("a", "rejected"), ("unheard", "rejected")]


async def test_an_uncertain_message_is_sent_again_when_a_person_asks(store: SqliteStore) -> None:
    """Once; a message that is certain is not."""
    await put(store, posts=(say("a"),))
    (post,) = await store.outbox("telegram", 1, NOW)
    await store.sending(post)
    await store.receipted(post, Uncertain("timed out"))
    assert await store.requeue("a")
    assert not await store.requeue("a")
    assert await due(store) == [("a", "a", None)]
    assert await store.unsure() == ()


async def test_an_uncertain_message_is_repeated_three_times_at_most(store: SqliteStore) -> None:
    """On a line that delivers and loses every receipt nobody is told the same thing for ever."""
    await put(store, posts=(say("a"),))
    repeats = 0
    for _ in range(10):
        for post in await store.outbox("telegram", 1, NOW):
            await store.sending(post)
            await store.receipted(post, Uncertain("timed out"))
        repeats += await store.requeue("a")
    assert repeats == 3


async def test_an_uncertain_message_that_nobody_will_repeat_is_let_go(store: SqliteStore) -> None:
    """From then on it is rejected, for the reason that made it uncertain; its words are not kept."""
    await put(store, posts=(say("a", "secret"),))
    await put_off(store, Uncertain("timed out"), 1)
    await store.let_go("a")
    assert await store.unsure() == ()
    assert not await store.requeue("a")
    assert raw(store).execute("SELECT state, reason, body FROM outbox").fetchall() == [("rejected", "timed out", "")]


async def test_a_message_is_not_sent_twice(store: SqliteStore) -> None:
    """A second attempt to send what was sent, and a second receipt, are errors; what is not there at all does not go."""
    await put(store, posts=(say("a"),))
    (post,) = await store.outbox("telegram", 1, NOW)
    await deliver(store, post)
    with pytest.raises(StoreError, match="not sent twice"):
        await store.sending(post)
    with pytest.raises(StoreError, match="receipt means nothing"):
        await store.receipted(post, Delivered("m2"))
    assert not await store.sending(replace(post, id=99))


async def test_what_was_sent_is_not_kept(store: SqliteStore) -> None:
    """Bodies and payloads are blanked once they have served."""
    await store.accept("telegram", [("1", "secret")], NOW)
    await put(store, posts=(say("a", "secret"),), handled=("telegram", "1"))
    await deliver(store, (await store.outbox("telegram", 1, NOW))[0])
    await put(store, posts=(edit("a", "secret"),))
    await deliver(store, (await store.outbox("telegram", 1, NOW))[0])
    assert raw(store).execute("SELECT body FROM outbox").fetchall() == [("",)]
    assert raw(store).execute("SELECT payload FROM inbox").fetchall() == [("",)]


async def test_a_full_outbox_takes_no_more_but_facts(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What people and agents want said anew is refused with its decision; what was spent is booked, edits of what waits are taken, and
    what follows from before is said.
    """
    monkeypatch.setattr("gateway.store.posts.MOST_WAITING", 2)
    await put(store, posts=(say("a"), say("b")))
    await store.accept("telegram", [("1", "one")], NOW)
    with pytest.raises(FullError, match="2 messages wait"):
        await put(store, entries=(limit(5),), posts=(say("c"),), handled=("telegram", "1"))
    with pytest.raises(FullError, match="2 messages wait"):
        await put(store, posts=(say("said:s_1:1"),))
    assert len(await store.inbox(10)) == 1
    await put(store, entries=(call("c1", 1, 0),), posts=(say("d"),))
    await put(store, posts=(edit("a", "new"), say("e")))
    assert [ref for ref, _, _ in await deliver_all(store)] == ["a", "b", "d", "e"]


@pytest.mark.parametrize("bodies", [(), ("x" * 65_537,), ("\u00e4" * 32_769,)])
async def test_a_message_without_or_with_too_large_a_body_is_refused(
    store: SqliteStore, bodies: tuple[str, ...]
) -> None:
    """With the whole decision."""
    with pytest.raises(StoreError, match="empty or larger"):
        await put(store, entries=(limit(5),), posts=(NewPost(THREAD, "a", bodies),))
    assert await due(store) == []


async def test_after_a_crash_what_was_on_its_way_is_uncertain(home: Path, clock: Clock) -> None:
    """A message is not repeated; an edit is, since saying the same twice changes nothing."""
    async with open_store(home, clock.now_ms) as store:
        await put(store, posts=(say("a"), say("b", thread=OTHER), say("c")))
        first, second = await store.outbox("telegram", 10, NOW)
        await deliver(store, second, "m-b")
        await put(store, posts=(edit("b", "new", OTHER),))
        await store.sending(first)
        (on_its_way,) = [post for post in await store.outbox("telegram", 10, NOW) if post.edits]
        await store.sending(on_its_way)
    async with open_store(home, clock.now_ms) as store:
        assert [(thread, ref) for thread, ref, _ in await store.unsure()] == [(THREAD, "a")]
        assert sorted(await due(store)) == [("b", "new", "m-b"), ("c", "c", None)]


async def test_what_is_long_done_with_is_forgotten(store: SqliteStore, clock: Clock) -> None:
    """Handled updates after a week, messages after ninety days; what waits stays."""
    await store.accept("telegram", [("1", "one")], NOW)
    await store.accept("telegram", [("2", "two")], NOW)
    await put(store, posts=(say("a"), say("b")), handled=("telegram", "1"))
    await deliver(store, (await store.outbox("telegram", 1, NOW))[0])
    counts = []
    for days in (7, 8, 91):
        clock.ms = NOW + days * DAY_MS
        await store.accept("telegram", [(f"later{days}", "")], clock.ms)
        counts.append(raw(store).execute("SELECT (SELECT count(*) FROM inbox), count(*) FROM outbox").fetchone())
    assert counts == [(3, 2), (3, 2), (4, 1)]


async def test_a_message_that_is_still_to_be_changed_is_not_forgotten(store: SqliteStore, clock: Clock) -> None:
    """Else nobody would know which message to change; a change of what is forgotten is forgotten too."""
    await put(store, posts=(say("a"),))
    await deliver_all(store)
    await put(store, posts=(edit("a", "new"),))
    clock.ms = NOW + 91 * DAY_MS
    await store.accept("telegram", [("1", "")], clock.ms)
    assert await due(store, clock.ms) == [("a", "new", "m-a")]
    raw(store).execute("DELETE FROM outbox WHERE edit = 0")
    clock.ms += DAY_MS
    await store.accept("telegram", [("2", "")], clock.ms)
    assert raw(store).execute("SELECT count(*) FROM outbox").fetchone() == (0,)


async def test_what_waits_for_a_thread_that_is_gone_is_said_elsewhere_behind_what_explains_it(
    store: SqliteStore,
) -> None:
    """Nothing of it is lost or said twice, delayed or not, and an edit that comes meanwhile is in it."""
    gone, chat = replace(THREAD, topic="5"), replace(THREAD, topic="")
    await put(store, posts=(say("a", "one", "two", thread=gone), say("b", thread=gone)))
    [first] = await store.outbox("telegram", 9, LATER)
    await store.sending(first)
    assert await store.receipted(first, Gone("message thread not found")) == Gone("message thread not found")
    await put(store, posts=(edit("b", "newer", thread=gone),))
    await put(store, posts=(say("why", thread=chat),), rerouted=(gone, chat))
    assert [(ref, body) for ref, body, _ in await deliver_all(store)] == [
        ("why", "why"),
        ("a", "one"),
        ("a", "two"),
        ("b", "newer"),
    ]
    assert raw(store).execute("SELECT count(*) FROM outbox WHERE topic = '5'").fetchone() == (0,)


async def test_a_message_that_was_taken_back_as_it_set_out_does_not_go(store: SqliteStore) -> None:
    """Its chat is left, or it waits for another thread by now: nothing of that is a fault, and what waits elsewhere goes."""
    await put(store, posts=(say("left", thread=OTHER), say("moved")))
    left, moved = sorted(await store.outbox("telegram", 9, NOW), key=lambda post: post.ref)
    await store.transact(lambda _: Decision(None, gone=OTHER), NOW)
    await store.transact(lambda _: Decision(None, rerouted=(THREAD, Thread("telegram", "4711", "5"))), NOW)
    assert [await store.sending(post) for post in (left, moved)] == [False, False]
    assert await deliver_all(store) == [("moved", "moved", None)]


async def test_what_waits_for_a_closed_chat_is_never_given_up(store: SqliteStore, clock: Clock) -> None:
    """A person closed it: however often and long it is put off, it is said once that person has opened it."""
    await put(store, posts=(say("a"),))
    clock.ms = NOW + 30 * DAY_MS
    later, closed = clock.ms + 2000, Delayed(1, closed=True)
    assert await put_off(store, closed, 50, later) == [closed] * 50
    assert await deliver_all(store, later) == [("a", "a", None)]


async def test_a_message_that_cannot_be_changed_any_more_is_not_asked_to_again(store: SqliteStore) -> None:
    """A status message that a person deleted: what was refused is one row, and further edits are none."""
    await put(store, posts=(say("a"),))
    await deliver_all(store)
    for number in range(3):
        await put(store, posts=(edit("a", str(number)),))
        await put_off(store, Rejected("not now"), 1)
    assert len(await rejected(store)) == 1
    await put(store, posts=(edit("a", "last"),))
    assert await put_off(store, Rejected("message to edit not found", unchangeable=True), 1) != []
    for number in range(3):
        await put(store, posts=(edit("a", str(number)),))
    assert await due(store) == []
    assert await rejected(store) == ["cannot be changed any more: message to edit not found"]


async def rejected(store: SqliteStore) -> list[str]:
    """Why edits were rejected, one row each."""
    return [why for [why] in raw(store).execute("SELECT reason FROM outbox WHERE edit = 1 AND state = 'rejected'")]
