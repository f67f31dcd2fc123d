"""Messages on their way out: nothing in doubt that need not be, nothing forgotten over a restart, nothing lost in silence."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from gateway import clock
from gateway.agents.scripted import ScriptedAgent
from gateway.chats.memory import MemoryChat
from gateway.core.files import enclosed, file_ref
from gateway.domain.files import FileKind, Parcel
from gateway.domain.place import Thread
from gateway.engine import Engine, World
from gateway.engine.outbound import (
    AT_ONCE_MAX,
    FILE_LIMIT_S,
    SEND_LIMIT_S,
    SLOWEST_UPLOAD,
    UPLOADS_MAX,
    Pace,
    choose,
    deliver_forever,
    limit_s,
    repeat_unsure,
    until_named,
)
from gateway.ports import Accept, Decision, Delayed, NewPost, Post, Receipt, Rejected, Store, Uncertain
from gateway.pricing import ListPrices
from gateway.store import SqliteStore, open_store
from tests.engine.bench import RULES, THREAD, script
from tests.engine.steps import Steps

pytestmark = pytest.mark.anyio

DELAY_MS = 400


def world_of(store: Store, chat: MemoryChat) -> World:
    """A world in which nothing happens but deliveries."""
    return World(store, chat, {"scripted": ScriptedAgent(script())}, ListPrices(), RULES, on_step=Steps())


async def say(store: Store, ref: str) -> None:
    """Put a message into the outbox."""
    body = MemoryChat().compose(ref, ())
    await store.transact(lambda _: Decision(None, posts=(NewPost(THREAD, ref, body),)), clock.now_ms())


async def next_post(store: Store) -> Post:
    """The message that is next."""
    (post,) = await store.outbox("memory", 1, clock.now_ms())
    return post


class Interrupting:
    """The store, except that the gateway is cancelled in the midst of noting that a request is about to go out."""

    def __init__(self, store: SqliteStore, cancel: Callable[[], None]) -> None:
        self._store, self._cancel = store, cancel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def sending(self, post: Post) -> bool:
        """Cancel, then go on."""
        self._cancel()
        await anyio.lowlevel.checkpoint()
        may = await self._store.sending(post)
        await anyio.lowlevel.checkpoint()
        return may


class Forgetful(Interrupting):
    """The store, except that the first message was forgotten in the moment before it goes out."""

    async def sending(self, post: Post) -> bool:
        """Once: it must not go out."""
        if post.ref != "a":
            return await self._store.sending(post)
        self._cancel()
        raw = self._store._commits
        await raw.run(
            lambda connection: connection.exec_driver_sql("UPDATE outbox SET state = 'superseded' WHERE ref = 'a'")
        )
        return await self._store.sending(post)


async def test_what_was_forgotten_as_it_set_out_is_not_sent_and_holds_nothing_up() -> None:
    """The thread's next message goes out as if there had been none before it."""
    chat, asked = MemoryChat(), anyio.Event()
    async with open_store(None) as store:
        await say(store, "a")
        await say(store, "b")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(deliver_forever, world_of(Forgetful(store, asked.set), chat))  # type: ignore[arg-type]
            await chat.waits_for(THREAD, "b")
            tasks.cancel_scope.cancel()
        assert asked.is_set()
        assert [shown.text for shown in chat.sees(THREAD)] == ["b"]


async def test_a_gateway_that_stops_as_a_message_sets_out_leaves_no_doubt_about_it() -> None:
    """It is sent and its receipt is noted, before the gateway ends."""
    chat = MemoryChat()
    async with open_store(None) as store:
        await say(store, "a")
        with anyio.CancelScope() as scope:
            await deliver_forever(world_of(Interrupting(store, scope.cancel), chat))  # type: ignore[arg-type]
        assert scope.cancelled_caught
        assert [shown.text for shown in chat.sees(THREAD)] == ["a"]
        assert await store.unsure() == ()
        assert await store.outbox("memory", 1, clock.now_ms()) == ()


async def test_a_delay_is_kept_by_the_next_gateway_which_wakes_in_time() -> None:
    """Telegram's retry_after outlives the gateway that was told it; nothing else has to happen for the message to go."""
    chat = MemoryChat()
    async with open_store(None) as store, anyio.create_task_group() as tasks:
        await say(store, "a")
        post = await next_post(store)
        await store.sending(post)
        await store.receipted(post, Delayed(DELAY_MS))
        due_ms = clock.now_ms() + DELAY_MS - 50
        tasks.start_soon(deliver_forever, world_of(store, chat))
        await chat.waits_for(THREAD, "a")
        assert clock.now_ms() >= due_ms
        tasks.cancel_scope.cancel()


async def test_a_question_that_is_rejected_is_an_error_that_names_it() -> None:
    """Nobody will answer it: whoever reads the log finds it by its name."""
    chat = MemoryChat()
    chat.receipts.append(Rejected("the bot was blocked"))
    async with open_store(None) as store, anyio.create_task_group() as tasks:
        await say(store, "approval:a_1")
        world = world_of(store, chat)
        steps = Steps()
        world.on_step = steps
        with capture_logs() as logs:
            tasks.start_soon(deliver_forever, world)

            async def passed() -> list[str]:
                return steps.passed

            await steps.until(passed, lambda passed: "post.receipted" in passed)
            await anyio.wait_all_tasks_blocked()
            told = [(line["log_level"], line["ref"], line["why"]) for line in logs]
            assert told == [("error", "approval:a_1", "the bot was blocked")]
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("answer", ["t_1:end", "t_1:answer", "said:s_1:reply", "approval:ask_1"])
async def test_of_what_may_not_have_arrived_answers_are_repeated_and_progress_lines_let_go(answer: str) -> None:
    """What nobody will repeat is not asked about again."""
    chat = MemoryChat()
    async with open_store(None) as store:
        for ref in ("t_1:status", answer):
            await say(store, ref)
            post = await next_post(store)
            await store.sending(post)
            await store.receipted(post, Uncertain("no answer"))
        await repeat_unsure(world_of(store, chat))
        assert await store.unsure() == ()
        assert (await next_post(store)).ref == answer


class Ended(MemoryChat):
    """A chat whose input is over at once."""

    async def receive(self, accept: Accept) -> None:  # type: ignore[override]
        """Nothing comes."""


async def test_a_gateway_whose_input_ends_still_sends_what_is_delayed() -> None:
    """What was told to wait a moment is told before the gateway leaves."""
    chat = Ended()
    async with open_store(None) as store:
        await say(store, "a")
        post = await next_post(store)
        await store.sending(post)
        await store.receipted(post, Delayed(DELAY_MS))
        with anyio.fail_after(30):
            await Engine(world_of(store, chat)).run()
    assert [shown.text for shown in chat.sees(THREAD)] == ["a"]


class Strict(MemoryChat):
    """A service that counts what it is sent over all threads."""

    service_gap_ms = 40

    def __init__(self) -> None:
        super().__init__()
        self.times: list[int] = []

    async def deliver(self, post: Post) -> Receipt:
        """Note when it came."""
        self.times.append(clock.ticks_ms())
        return await super().deliver(post)


async def test_messages_to_many_threads_are_spaced_as_the_whole_service_wants_it() -> None:
    """Five chats have one each: none sets out sooner after another than the service's gap."""
    chat = Strict()
    async with open_store(None) as store, anyio.create_task_group() as tasks:
        posts = tuple(NewPost(Thread("memory", str(n)), f"note:{n}", chat.compose("hello", ())) for n in range(5))
        await store.transact(lambda _: Decision(None, posts=posts), clock.now_ms())
        tasks.start_soon(deliver_forever, world := world_of(store, chat))
        assert isinstance(world.on_step, Steps)

        async def came() -> int:
            return len(chat.times)

        await world.on_step.until(came, lambda count: count == 5)
        tasks.cancel_scope.cancel()
    gaps = [after - before for before, after in pairwise(chat.times)]
    assert all(gap >= 20 for gap in gaps)  # a request may be held up on its way
    assert chat.times[-1] - chat.times[0] >= 3 * 40


async def test_many_replies_together_hold_up_nobody_for_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message is slow on its way: whoever replies to others meanwhile, of whatever right, keeps no other chat waiting."""
    monkeypatch.setattr("gateway.engine.outbound.NAMED_WITHIN_MS", 200)
    async with open_store(None) as store:
        world = world_of(store, MemoryChat())
        world.on_way[THREAD] = 0
        with anyio.fail_after(5):
            for number in range(100):
                await until_named(world, THREAD, f"another {number}")


def parcel_post(number: int, size: int = 5) -> Post:
    """A file that waits for a chat of its own."""
    parcel = Parcel(f"/spool/{number}", "a.bin", FileKind.DOCUMENT, size, "/srv/a.bin")
    return Post(number, Thread("memory", f"c{number}"), file_ref(f"note:{number}", 1), enclosed(parcel))


def test_a_file_may_take_as_long_as_its_size_needs() -> None:
    """Two gigabytes through a Bot API server of one's own take their time, and are not cut off and sent again."""
    assert limit_s(Post(1, THREAD, "note:1", "{}")) == SEND_LIMIT_S
    assert limit_s(parcel_post(1, 5)) == FILE_LIMIT_S
    assert limit_s(parcel_post(1, 2_000_000_000)) == 2_000_000_000 / SLOWEST_UPLOAD
    assert limit_s(Post(1, THREAD, file_ref("note:1", 1), "broken")) == FILE_LIMIT_S


def test_files_have_places_of_their_own() -> None:
    """As many as there may be set out; further files wait for them, and messages to other chats do not, nor the other way round."""
    pace, message = Pace({}), Post(99, THREAD, "note:99", "{}")
    for number in range(UPLOADS_MAX):
        assert choose([parcel_post(number)], pace, 0) == (parcel_post(number), None)
        pace.begins(parcel_post(number))
    assert choose([parcel_post(50)], pace, 0) == (None, None)
    assert choose([parcel_post(50), message], pace, 0) == (message, None)
    pace = Pace({})
    for number in range(AT_ONCE_MAX):
        pace.begins(Post(number, Thread("memory", f"c{number}"), f"note:{number}", "{}"))
    assert choose([message, parcel_post(50)], pace, 0) == (parcel_post(50), None)
    assert choose([message], pace, 0) == (None, None)


class SlowFiles(MemoryChat):
    """A chat that takes messages, and no file until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.open = anyio.Event()
        self.begun = 0

    async def deliver(self, post: Post) -> Receipt:
        """A file waits."""
        if ":file:" in post.ref:
            self.begun += 1
            await self.open.wait()
        return await super().deliver(post)


async def test_slow_uploads_keep_no_message_of_another_chat_waiting() -> None:
    """Twelve chats have a file on its way or waiting; a question to another one arrives all the same."""
    chat = SlowFiles()
    async with open_store(None) as store, anyio.create_task_group() as tasks:
        files = tuple(NewPost(post.thread, post.ref, (post.body,)) for post in map(parcel_post, range(12)))
        await store.transact(lambda _: Decision(None, posts=files), clock.now_ms())
        tasks.start_soon(deliver_forever, world := world_of(store, chat))
        assert isinstance(world.on_step, Steps)

        async def begun() -> int:
            return chat.begun

        await world.on_step.until(begun, lambda count: count == UPLOADS_MAX)
        await say(store, "a question")
        world.posted.set()
        await chat.waits_for(THREAD, "a question")
        assert chat.begun == UPLOADS_MAX
        tasks.cancel_scope.cancel()
