"""Files on their way out: what was checked is what is sent, after its words, once, also over a crash."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from gateway import clock
from gateway.agents.scripted import ScriptedAgent
from gateway.chats.memory import MemoryChat
from gateway.core.files import FILES_MAX
from gateway.domain.effects import Say
from gateway.domain.files import Parcel
from gateway.engine import World, parcels
from gateway.engine.decision import Draft
from gateway.engine.outbound import deliver_forever, repeat_unsure
from gateway.files import SPOOL, Spool
from gateway.ports import Decision, Post, Receipt, Rejected, Store, Uncertain, View
from gateway.pricing import ListPrices
from gateway.store import open_store
from gateway.view import file_words
from tests.engine.bench import RULES, THREAD, script
from tests.engine.steps import Steps

pytestmark = pytest.mark.anyio


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The gateway's directory."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return home


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Where the agent works, with two files."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "a.txt").write_text("five!")
    (work / "b.txt").write_text("more")
    return work


def world_of(store: Store, chat: MemoryChat, home: Path) -> World:
    """A world in which nothing happens but deliveries."""
    world = World(store, chat, {"scripted": ScriptedAgent(script())}, ListPrices(), RULES, on_step=Steps())
    world.spool = Spool(home, clock.new_id)
    return world


async def packed(world: World, work: Path, *paths: str) -> tuple[Parcel, ...]:
    """Copies of these files."""
    found = await parcels.pack(world, str(work), paths)
    assert not isinstance(found, str), found
    return found


async def say(world: World, text: str, files: tuple[Parcel, ...], ref: str = "said:1") -> None:
    """Decide to send it."""

    def decide(_view: View) -> Decision[None]:
        draft = Draft()
        draft.say(Say(THREAD, ref, text, files=files))
        return draft.done(None)

    await world.commit(decide)


@asynccontextmanager
async def delivering(world: World) -> AsyncGenerator[None]:
    """What waits is delivered during the block."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deliver_forever, world)
        yield
        tasks.cancel_scope.cancel()


async def spooled(home: Path, names: int) -> None:
    """Wait until so many copies are left."""
    with anyio.fail_after(30):
        while len(list((home / SPOOL).iterdir())) != names:  # noqa: ASYNC110 - the disk tells nobody
            await anyio.sleep(0.01)


def shown(chat: MemoryChat) -> list[tuple[str, bytes]]:
    """What the person sees, in order."""
    return [(one.text, one.content) for one in chat.sees(THREAD)]


async def test_files_follow_their_words_in_order_and_their_copies_go(home: Path, work: Path) -> None:
    """The text first; what is sent is what was there when it was decided."""
    chat = MemoryChat()
    async with open_store(None) as store:
        world = world_of(store, chat, home)
        files = await packed(world, work, "a.txt", str(work / "b.txt"))
        (work / "a.txt").write_text("changed since")
        await say(world, "Two files", files)
        async with delivering(world):
            await chat.waits_for(THREAD, "b.txt")
            await spooled(home, 0)
    assert shown(chat) == [("Two files", b""), ("a.txt", b"five!"), ("b.txt", b"more")]


async def test_files_without_words_come_alone(home: Path, work: Path) -> None:
    """No empty message stands before them, and the first one rings where the message was to."""
    chat = MemoryChat()
    async with open_store(None) as store:
        world = world_of(store, chat, home)
        await say(world, "", await packed(world, work, "a.txt"))
        async with delivering(world):
            await chat.waits_for(THREAD, "a.txt")
    assert shown(chat) == [("a.txt", b"five!")]


async def test_a_message_said_twice_sends_its_files_once(home: Path, work: Path) -> None:
    """The name of a message makes repeating the decision harmless, for its files too."""
    chat = MemoryChat()
    async with open_store(None) as store:
        world = world_of(store, chat, home)
        for _ in range(2):
            await say(world, "Here", await packed(world, work, "a.txt"))
        await say(world, "The end", (), ref="said:2")
        async with delivering(world):
            await chat.waits_for(THREAD, "The end")
        await parcels.sweep(world)
    assert shown(chat) == [("Here", b""), ("a.txt", b"five!"), ("The end", b"")]
    assert not list((home / SPOOL).iterdir())


async def test_a_gateway_that_ends_before_the_delivery_leaves_the_file_to_the_next(home: Path, work: Path) -> None:
    """The decision is in the store and the copy on the disk; copies that nothing carries are swept."""
    chat = MemoryChat()
    async with open_store(home) as store:
        world = world_of(store, chat, home)
        await say(world, "", await packed(world, work, "a.txt"))
        await packed(world, work, "b.txt")
    (work / "a.txt").unlink()
    async with open_store(home) as store:
        world = world_of(store, chat, home)
        await parcels.sweep(world)
        await spooled(home, 1)
        async with delivering(world):
            await chat.waits_for(THREAD, "a.txt")
            await spooled(home, 0)
    assert shown(chat) == [("a.txt", b"five!")]


async def test_a_file_whose_receipt_a_crash_took_is_repeated_with_a_word(home: Path, work: Path) -> None:
    """It may be there twice, and never without saying so."""
    chat = MemoryChat()
    async with open_store(home) as store:
        world = world_of(store, chat, home)
        await say(world, "", await packed(world, work, "a.txt"))
        [post] = await store.outbox("memory", 1, clock.now_ms())
        await store.sending(post)
        await chat.deliver(post)
    async with open_store(home) as store:
        world = world_of(store, chat, home)
        await repeat_unsure(world)
        await parcels.sweep(world)
        async with delivering(world):
            await chat.waits_for(THREAD, "may be a repeat")
            await spooled(home, 0)
    assert [text for text, _ in shown(chat)][:2] == ["a.txt", "a.txt"]


class Stuck(MemoryChat):
    """A chat that never ends taking a file."""

    def __init__(self) -> None:
        super().__init__()
        self.taking = anyio.Event()

    async def deliver(self, post: Post) -> Receipt:  # noqa: ARG002 - the port's signature
        """For ever."""
        self.taking.set()
        await anyio.sleep_forever()
        raise AssertionError


async def test_a_gateway_that_stops_does_not_wait_for_a_large_file(home: Path, work: Path) -> None:
    """It leaves at once, and the next one knows that the file may have arrived."""
    chat = Stuck()
    async with open_store(home) as store:
        world = world_of(store, chat, home)
        await say(world, "", await packed(world, work, "a.txt"))
        with anyio.fail_after(30):
            async with delivering(world):
                await chat.taking.wait()
    async with open_store(home) as store:
        [(_, ref, why)] = await store.unsure()
        assert ref == "said:1:file:1"
        assert "stopped while it was being sent" in why


async def test_a_file_that_may_have_arrived_is_not_sent_again_by_itself(home: Path, work: Path) -> None:
    """Its copy is kept for as long as it may have to be repeated."""
    chat = MemoryChat()
    chat.receipts.append(Uncertain("no answer"))
    async with open_store(None) as store:
        world = world_of(store, chat, home)
        await say(world, "", await packed(world, work, "a.txt"))
        await say(world, "The end", (), ref="said:2")
        async with delivering(world):
            await chat.waits_for(THREAD, "The end")
        assert shown(chat) == [("a.txt", b"five!"), ("The end", b"")]
        [(_, ref, _)] = await store.unsure()
        assert ref == "said:1:file:1"
        await spooled(home, 1)


async def test_the_thread_is_told_of_a_file_that_will_never_arrive(home: Path, work: Path) -> None:
    """With its name and the reason; its copy goes."""
    chat = MemoryChat()
    chat.receipts.append(Rejected("too large for it"))
    async with open_store(None) as store:
        world = world_of(store, chat, home)
        await say(world, "", await packed(world, work, "a.txt"))
        async with delivering(world):
            told = await chat.waits_for(THREAD, "could not be sent")
            await spooled(home, 0)
    assert told.text.replace("\\", "") == "The file a.txt could not be sent: too large for it."


async def test_of_several_files_one_that_may_not_go_keeps_all_of_them(home: Path, work: Path) -> None:
    """The agent hears which and why, and no copy is left; too many are refused, and so are any without a place for copies."""
    async with open_store(None) as store:
        world = world_of(store, MemoryChat(), home)
        (home / "config.toml").write_text("secret")
        assert "own" in str(await parcels.pack(world, str(work), ["a.txt", str(home / "config.toml")]))
        assert not list((home / SPOOL).iterdir())
        assert "at most" in str(await parcels.pack(world, str(work), ["a.txt"] * (FILES_MAX + 1)))
        world.spool = None
        assert await parcels.pack(world, str(work), ["a.txt"]) == file_words.CANNOT_SEND


async def test_a_message_that_only_is_called_a_file_ends_nobody(home: Path, work: Path) -> None:
    """Whatever put it there: it is refused where it is sent, the files of others are known, and a gateway can start."""
    chat = MemoryChat()
    async with open_store(home) as store:
        world = world_of(store, chat, home)
        await say(world, "", await packed(world, work, "a.txt"), ref="said:2")
        await say(world, "changed", (), ref="said:1:file:1")
        await parcels.sweep(world)
        assert len(await store.read(lambda view: view.unsent_files())) == 1
        await parcels.done(world, Post(1, THREAD, "said:1:file:1", '{"text": "changed"}'), Rejected("no"))
        async with delivering(world):
            await chat.waits_for(THREAD, "a.txt")
