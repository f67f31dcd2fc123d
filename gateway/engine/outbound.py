"""The outbox: paced per thread, newest edits only, nothing repeated blindly."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
import structlog

from gateway.core.files import FILE_MARK, carried, may_hold_file
from gateway.domain.approval import APPROVAL_REF
from gateway.domain.effects import LEAVE_REF, SAID_REF
from gateway.domain.events import Moved
from gateway.domain.place import Thread
from gateway.engine import groups, parcels, threads
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import (
    LONGEST_WAIT_MS,
    Decision,
    Delayed,
    Delivered,
    Elsewhere,
    Gone,
    Post,
    Receipt,
    Rejected,
    Uncertain,
    View,
)
from gateway.view import preference_words, turn_words

log = structlog.get_logger()

BATCH = 100
AT_ONCE_MAX = 8
UPLOADS_MAX = 3
"""Files have places of their own: a large one takes minutes, and keeps no message of another chat waiting."""
SEND_LIMIT_S = 20.0
FILE_LIMIT_S = 180.0
"""However small it is."""
SLOWEST_UPLOAD = 250_000
"""Bytes a second, there and on from a Bot API server of one's own. Whoever carries it notices sooner that nothing moves."""
NAMED_WITHIN_MS = 3_000
"""However many reply to something else than a message on its way, all of them together keep the others waiting for it no longer."""
NAMED_LOOK_S = 0.02


@dataclass(slots=True)
class Pace:
    """When each thread, and the whole service, may be written to again, and which are being written to.

    In ticks, which no set clock moves; what has to hold after a restart too (`Delayed`) is in the store besides.
    """

    free_ms: dict[Thread, int]
    service_free_ms: int = 0
    busy: set[Thread] = field(default_factory=set[Thread])
    uploads: set[Thread] = field(default_factory=set[Thread])
    """Those of the busy ones that are sent a file."""

    def has_place(self, post: Post) -> bool:
        """Whether so few of its kind are on their way that it may be one of them."""
        if _is_file(post):
            return len(self.uploads) < UPLOADS_MAX
        return len(self.busy) - len(self.uploads) < AT_ONCE_MAX

    @property
    def full(self) -> bool:
        """Nothing at all may set out."""
        return len(self.busy) >= AT_ONCE_MAX + UPLOADS_MAX

    def begins(self, post: Post) -> None:
        """It is on its way."""
        self.busy.add(post.thread)
        if _is_file(post):
            self.uploads.add(post.thread)

    def ends(self, post: Post) -> None:
        """It is no more."""
        self.busy.discard(post.thread)
        self.uploads.discard(post.thread)


def _is_file(post: Post) -> bool:
    return FILE_MARK in post.ref or carried(post.ref, post.body) is not None


def limit_s(post: Post) -> float:
    """How long a delivery may take: a file by its size."""
    if not _is_file(post):
        return SEND_LIMIT_S
    parcel = carried(post.ref, post.body)
    return FILE_LIMIT_S if parcel is None else max(FILE_LIMIT_S, parcel.size / SLOWEST_UPLOAD)


def choose(posts: Iterable[Post], pace: Pace, now_ms: int) -> tuple[Post | None, int | None]:
    """Of the next messages of threads that are not busy, the first that may go now; else in how many milliseconds one may.

    (None: only news can change that.) Sends go first, so that an answer never waits behind a progress line.
    """
    waiting = [post for post in posts if pace.has_place(post)]
    if waiting and pace.service_free_ms > now_ms:
        return None, pace.service_free_ms - now_ms
    for post in sorted(waiting, key=lambda post: (post.edits is not None, post.id)):
        if pace.free_ms.get(post.thread, 0) <= now_ms:
            return post, None
    return None, min((pace.free_ms[post.thread] - now_ms for post in waiting), default=None)


async def deliver_forever(world: World) -> None:
    """Deliver what waits, until cancelled: one message at a time to a thread, several threads side by side."""
    pace = Pace({})
    async with anyio.create_task_group() as tasks:
        while True:
            world.posted = anyio.Event()
            if pace.full:
                await world.posted.wait()
                continue
            busy, now_ms = set(pace.busy), world.clock.now_ms()
            heads = await world.store.outbox(world.chat.service, BATCH, now_ms)
            # A delivery that ends while we read may be read as one that has not begun: it is then looked at again.
            free = [post for post in heads if post.thread not in busy]
            while (chosen := choose(free, pace, world.clock.ticks_ms()))[0] is not None:
                post = chosen[0]
                free.remove(post)
                pace.begins(post)
                pace.service_free_ms = world.clock.ticks_ms() + world.chat.service_gap_ms
                tasks.start_soon(_deliver, world, pace, post)
            if pace.full:
                continue
            waits = (chosen[1], await world.store.delayed_ms(world.chat.service, now_ms))
            wait_ms = min((wait for wait in waits if wait is not None), default=None)
            with anyio.move_on_after(None if wait_ms is None else wait_ms / 1000):
                await world.posted.wait()


async def _deliver(world: World, pace: Pace, post: Post) -> None:
    is_file, within_s = _is_file(post), limit_s(post)
    receipt: Receipt = Uncertain(f"no answer within {within_s:.0f} s")
    # A gateway that stops hears how a request ended that it has begun: else each stop would leave doubts. Files may take too long.
    with anyio.CancelScope(shield=True) as scope:
        if not await world.store.sending(post):
            pace.ends(post)
            world.posted.set()
            return
        world.on_step("post.sending")
        scope.shield = not is_file
        with _named_at_its_end(world, post):
            with anyio.move_on_after(within_s):
                receipt = await world.chat.deliver(post)
            scope.shield = True
            world.on_step("post.sent")
            receipt = await world.store.receipted(post, receipt)
    world.on_step("post.receipted")
    if is_file and isinstance(receipt, Delivered | Rejected):
        await parcels.done(world, post, receipt)
    now = world.clock.ticks_ms()
    world.reach.told(_away(receipt), world.clock.now_ms())
    wait_ms = world.chat.gap_ms(post.thread, edit=post.edits is not None)
    if isinstance(receipt, Delayed):
        wait_ms = min(receipt.wait_ms, LONGEST_WAIT_MS)
        if receipt.whole_service:
            pace.service_free_ms = max(pace.service_free_ms, now + wait_ms)
    await _took(world, post, receipt)
    for thread in [thread for thread, free in pace.free_ms.items() if free <= now]:
        del pace.free_ms[thread]
    pace.free_ms[post.thread] = now + wait_ms
    pace.ends(post)
    world.posted.set()


@contextmanager
def _named_at_its_end(world: World, post: Post) -> Iterator[None]:
    """People may reply to a message before its name is known here: whoever reads a reply can wait for that."""
    if post.edits is None:
        world.on_way[post.thread] = 0
    try:
        yield
    finally:
        world.on_way.pop(post.thread, None)


async def until_named(world: World, thread: Thread, message_id: str) -> None:
    """Wait a moment for a message's name, if it is not known and one is on its way there."""
    while message_id and _is_awaited(world, thread):
        if await world.store.read(lambda view: view.ref_of(thread, message_id)) is not None:
            return
        await anyio.sleep(NAMED_LOOK_S)


def _is_awaited(world: World, thread: Thread) -> bool:
    """Whether a message is on its way to the thread's chat, and the first reply that may be to it did not wait too long already."""
    now_ms = world.clock.ticks_ms()
    here = [one for one in world.on_way if (one.service, one.chat) == (thread.service, thread.chat)]
    for one in here:
        world.on_way[one] = world.on_way[one] or now_ms + NAMED_WITHIN_MS
    return any(world.on_way[one] > now_ms for one in here)


async def _took(world: World, post: Post, receipt: Receipt) -> None:
    """What follows from what became of a message, beside its own state."""
    match receipt:
        case Elsewhere(chat):
            moved = Moved(post.thread.service, post.thread.chat, chat)
            found = await world.commit(groups.handle_moved(world, moved, None))
            log.info("a message found its group moved", result=found.result)
        case Gone(why):
            await threads.left(world, post, why)
        case Rejected(why) if post.edits is None and post.ref.startswith(APPROVAL_REF):
            log.error("a question was never put to anybody", ref=post.ref, why=why)
        case Uncertain(why) | Rejected(why):
            log.warning("a message may not have arrived", ref=post.ref, receipt=type(receipt).__name__, why=why)
        case Delayed(closed=True):
            await threads.closed(world, post.thread)
        case Delivered() | Delayed():
            pass


def _away(receipt: Receipt) -> str:
    """Why the service takes no messages, as far as one of them tells; empty: it does."""
    match receipt:
        case Delayed(_, whole_service=True):
            return preference_words.NO_ANSWER
        case Uncertain(why):
            return why
        case _:
            return ""


async def repeat_unsure(world: World) -> None:
    """Send what matters once more if it may not have arrived, and say that it may be a repeat. Progress lines are let go."""
    repeated: set[Thread] = set()
    for thread, ref, _ in await world.store.unsure():
        if not matters(ref):
            await world.store.let_go(ref)
        elif await world.store.requeue(ref):
            repeated |= set[Thread]() if ref.startswith(LEAVE_REF) else {thread}
        else:
            await world.store.let_go(ref)
            log.error("a message was repeated in vain: it is not known whether it arrived", ref=ref)
    if not repeated:
        return

    def decide(_view: View) -> Decision[None]:
        draft = Draft()
        for thread in repeated:
            draft.say(world.notice(thread, turn_words.MAY_REPEAT))
        return draft.done(None)

    await world.commit(decide)
    world.posted.set()


def matters(ref: str) -> bool:
    """Whether a message is a question, an answer or a file: those are never lost."""
    return (
        ref.startswith((APPROVAL_REF, SAID_REF, LEAVE_REF)) or ref.endswith((":end", ":answer")) or may_hold_file(ref)
    )
