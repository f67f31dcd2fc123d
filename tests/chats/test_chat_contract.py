"""What every chat keeps, the one in memory as well as Telegram (against the stand-in over real HTTP)."""

import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import anyio
import pytest

from gateway.chats.memory import MemoryChat
from gateway.chats.telegram import TelegramChat
from gateway.core.files import card_ref, enclosed, file_ref
from gateway.domain.effects import Button
from gateway.domain.events import Message, Tap
from gateway.domain.files import Attachment, FileKind, Parcel
from gateway.domain.place import Thread
from gateway.ports import Chat, Delivered, Gone, Post, Rejected, Saved, StoreError, UnreadableError
from tests.fakes.bot_api import BotApi, Phone

pytestmark = pytest.mark.anyio

PERSON = "4711"


class Bench(Protocol):
    """A chat, one thread of it, and the hands and eyes of the person there."""

    @property
    def chat(self) -> Chat: ...

    @property
    def thread(self) -> Thread: ...

    def says(self, text: str) -> None: ...

    def taps(self, label: str) -> None: ...

    def sends_file(self, content: bytes, name: str, text: str) -> None: ...

    def texts(self) -> list[str]: ...

    def labels(self) -> list[str]:
        """The labels under the last message."""
        ...

    def reactions(self) -> list[str]:
        """What we put on messages."""
        ...

    def files(self) -> list[tuple[str, bytes]]:
        """Name and content of each file that was sent; where the person sits at the machine, its place instead."""
        ...


class MemoryBench:
    """The fake."""

    def __init__(self) -> None:
        self.chat = MemoryChat()
        self.thread = Thread("memory", "1")

    def says(self, text: str) -> None:
        self.chat.says(self.thread, PERSON, text)

    def taps(self, label: str) -> None:
        self.chat.taps(self.chat.sees(self.thread)[-1], label, PERSON)

    def sends_file(self, content: bytes, name: str, text: str) -> None:
        self.chat.sends_file(self.thread, PERSON, content, name, text)

    def texts(self) -> list[str]:
        return [shown.text for shown in self.chat.sees(self.thread)]

    def labels(self) -> list[str]:
        return [button.label for button in self.chat.sees(self.thread)[-1].buttons]

    def reactions(self) -> list[str]:
        return list(self.chat.reactions.values())

    def files(self) -> list[tuple[str, bytes]]:
        return [(shown.file.name, shown.content) for shown in self.chat.sees(self.thread) if shown.file]


class TelegramBench:
    """The real thing, as far as there is one on this machine."""

    def __init__(self, chat: TelegramChat, phone: Phone) -> None:
        self.chat = chat
        self.phone = phone
        self.thread = Thread("telegram", str(phone.chat_id))

    def says(self, text: str) -> None:
        self.phone.says(text)

    def taps(self, label: str) -> None:
        self.phone.taps(label)

    def sends_file(self, content: bytes, name: str, text: str) -> None:
        self.phone.sends_document(content, name, caption=text)

    def texts(self) -> list[str]:
        return [seen.text for seen in self.phone.sees()]

    def labels(self) -> list[str]:
        return [button.text for button in self.phone.sees()[-1].buttons]

    def reactions(self) -> list[str]:
        return [emoji for seen in self.phone.screen() for emoji in seen.reactions]

    def files(self) -> list[tuple[str, bytes]]:
        return [(seen.file.name, seen.file.data) for seen in self.phone.sees() if seen.file]


@pytest.fixture(params=["memory", "telegram"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """One chat after the other; Telegram's rules are checked at the end."""
    if request.param == "memory":
        yield MemoryBench()
        return
    async with BotApi() as server, TelegramChat(server.token, server.base_url, poll_s=2, retry_ms=10) as chat:
        yield TelegramBench(chat, server.user(int(PERSON), "Alice"))
        assert server.violations == []


@pytest.fixture(params=["memory", "telegram"])
async def topical(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """The same in a chat that can have several threads, which the chat has heard of."""
    if request.param == "memory":
        memory = MemoryBench()
        memory.chat.forums.add(memory.thread.chat)
        yield memory
        return
    async with BotApi() as server, TelegramChat(server.token, server.base_url, poll_s=2, retry_ms=10) as chat:
        there = server.group(-1001, forum=True).joined_by(server.user(int(PERSON), "Alice"))
        there.says("hello")
        [(_, payload)] = await received(chat, 1)
        chat.read(payload)
        yield TelegramBench(chat, there)
        assert server.violations == []


async def received(
    chat: Chat, count: int, also: Callable[[str], Awaitable[None]] | None = None
) -> list[tuple[str, str]]:
    """The next accepted updates; `also` runs inside `accept` and may raise."""
    got: list[tuple[str, str]] = []
    enough = anyio.Event()

    async def accept(updates: Sequence[tuple[str, str]]) -> None:
        for key, _ in updates:
            if also is not None:
                await also(key)
        got.extend(updates)
        if len(got) >= count:
            enough.set()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat.receive, accept)
            await enough.wait()
            tasks.cancel_scope.cancel()
    return got


async def said(bench: Bench, text: str, *buttons: Button) -> str:
    """Deliver one message; its id."""
    [body] = bench.chat.compose(text, buttons)
    receipt = await bench.chat.deliver(Post(1, bench.thread, "r", body))
    assert isinstance(receipt, Delivered)
    return receipt.message_id


async def test_a_text_arrives_as_a_message_of_its_thread_and_person(bench: Bench) -> None:
    """Who wrote, where and what survive the way through the inbox."""
    bench.says("Fix the flaky test")
    [(_, payload)] = await received(bench.chat, 1)
    assert bench.chat.read(payload) == Message(bench.thread, PERSON, "Fix the flaky test")


async def test_a_typed_command_is_told_from_text(bench: Bench) -> None:
    """A command has its name and its arguments apart, and the text is still whole."""
    bench.says("/budget 10")
    [(_, payload)] = await received(bench.chat, 1)
    assert bench.chat.read(payload) == Message(bench.thread, PERSON, "/budget 10", ("budget", "10"))


async def test_updates_come_in_order_under_different_keys(bench: Bench) -> None:
    """The inbox can tell updates apart and keep their order."""
    for text in ("one", "two", "three"):
        bench.says(text)
    got = await received(bench.chat, 3)
    assert [getattr(bench.chat.read(payload), "text", "") for _, payload in got] == ["one", "two", "three"]
    assert len({key for key, _ in got}) == 3


async def test_an_update_that_cannot_be_stored_comes_again_until_it_is(bench: Bench) -> None:
    """A full disk delays a message and does not lose it."""
    failures = ["first", "second"]

    async def full_disk(_key: str) -> None:
        if failures:
            failures.pop()
            raise StoreError("the disk is full")

    bench.says("do not lose me")
    [(_, payload)] = await received(bench.chat, 1, full_disk)
    assert getattr(bench.chat.read(payload), "text", "") == "do not lose me"


async def test_a_kill_between_accept_and_confirm_brings_the_same_update_again(bench: Bench) -> None:
    """After a crash the same key comes back, so that the inbox knows it already."""
    bench.says("once")
    seen: list[str] = []

    async def killed(key: str) -> None:
        seen.append(key)
        stored.set()
        await anyio.sleep_forever()

    stored = anyio.Event()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.chat.receive, lambda updates: killed(updates[0][0]))
            await stored.wait()
            tasks.cancel_scope.cancel()
    [(key, _)] = await received(bench.chat, 1)
    assert seen == [key]


async def test_a_message_is_delivered_and_edited_in_place(bench: Bench) -> None:
    """An edit changes the message and adds none; its id stays."""
    message_id = await said(bench, "Working", Button("Stop", "token-1"))
    assert bench.texts() == ["Working"]
    assert bench.labels() == ["Stop"]
    [body] = bench.chat.compose("Done", ())
    receipt = await bench.chat.deliver(Post(2, bench.thread, "r", body, edits=message_id))
    assert receipt == Delivered(message_id)
    assert bench.texts() == ["Done"]
    assert bench.labels() == []


async def test_an_edit_that_changes_nothing_counts_as_delivered(bench: Bench) -> None:
    """An edit can be repeated after a crash."""
    message_id = await said(bench, "Same")
    [body] = bench.chat.compose("Same", ())
    assert await bench.chat.deliver(Post(2, bench.thread, "r", body, edits=message_id)) == Delivered(message_id)
    assert bench.texts() == ["Same"]


async def test_an_edit_of_a_message_that_is_gone_is_rejected(bench: Bench) -> None:
    """What can never succeed is not tried for ever."""
    [body] = bench.chat.compose("Too late", ())
    assert isinstance(await bench.chat.deliver(Post(1, bench.thread, "r", body, edits="999")), Rejected)


async def test_a_press_brings_back_token_message_and_place(bench: Bench) -> None:
    """A tap carries what an approval is bound to, and can be acknowledged."""
    message_id = await said(bench, "Run it?", Button("Run", "token-run"), Button("No", "token-no"))
    bench.taps("No")
    [(_, payload)] = await received(bench.chat, 1)
    tap = bench.chat.read(payload)
    assert isinstance(tap, Tap)
    assert (tap.thread, tap.person, tap.token, tap.message_id) == (bench.thread, PERSON, "token-no", message_id)
    await bench.chat.acknowledge(tap, "No it is")
    await bench.chat.acknowledge(tap, "again")


async def test_nothing_to_say_is_still_visible(bench: Bench) -> None:
    """A message without words shows that it is one."""
    await said(bench, " \n\u200b")
    assert bench.texts()[0].strip()


async def test_a_long_text_comes_in_parts_with_the_buttons_under_the_last(bench: Bench) -> None:
    """Nothing of a long answer is lost, and the question stands at its end."""
    words = [f"word{number}" for number in range(2_000)]
    bodies = bench.chat.compose(" ".join(words), [Button("Run", "token")])
    assert len(bodies) > 1
    for number, body in enumerate(bodies):
        assert isinstance(await bench.chat.deliver(Post(number, bench.thread, f"r{number}", body)), Delivered)
    assert "".join("".join(bench.texts()).split()) == "".join(words)
    assert bench.labels() == ["Run"]


@pytest.mark.parametrize(
    "payload", ["", "no json", "[]", "null", "{}", '{"update": 7}', '{"person": "1"}', "[" * 5_000]
)
async def test_a_payload_that_nobody_can_read_is_named_so(bench: Bench, payload: str) -> None:
    """Poison is put aside by its own error, and by no other."""
    with pytest.raises(UnreadableError):
        bench.chat.read(payload)


async def test_typing_is_shown_and_never_fails(bench: Bench) -> None:
    """Losing it is harmless, in any thread."""
    await bench.chat.typing(bench.thread)
    await bench.chat.typing(Thread(bench.chat.service, "999999"))
    assert bench.chat.gap_ms(bench.thread, edit=False) >= 0


async def test_a_draft_is_shown_in_place_of_the_one_before_and_is_no_message(bench: Bench) -> None:
    """Whatever it says, of any length and cut anywhere; what it becomes is sent as any other message."""
    assert await bench.chat.draft(bench.thread, 7, "It is the **ca")
    assert await bench.chat.draft(bench.thread, 7, "```py\n" + "x = 1\n" * 5_000)
    assert await bench.chat.draft(bench.thread, 7, " \n\u200b")
    assert bench.texts() == []
    await said(bench, "It is the cache.")
    assert bench.texts() == ["It is the cache."]


THUMB = "\N{THUMBS UP SIGN}"


async def test_a_reaction_is_put_on_a_message_of_a_persons_or_ours(bench: Bench) -> None:
    """Seen without a word: the message that came in says under which name it is reacted to."""
    bench.says("Look at this")
    [(_, payload)] = await received(bench.chat, 1)
    theirs = bench.chat.read(payload)
    assert isinstance(theirs, Message)
    ours = await said(bench, "Done")
    assert await bench.chat.react(bench.thread, theirs.message_id, THUMB) == ""
    assert await bench.chat.react(bench.thread, ours, THUMB) == ""
    assert bench.reactions() == [THUMB, THUMB]


@pytest.mark.parametrize("emoji", ["", "ok", "x" * 10_000, f"{THUMB}{THUMB}" * 20])
async def test_what_cannot_be_a_reaction_is_refused_in_words(bench: Bench, emoji: str) -> None:
    """The agent hears what to do instead, and nothing happens."""
    message_id = await said(bench, "Done")
    why = await bench.chat.react(bench.thread, message_id, emoji)
    assert why.endswith(".")
    assert len(why) < 200
    assert bench.reactions() == []


@pytest.mark.parametrize("message_id", ["999", "", "../1", "9" * 40])
async def test_a_reaction_to_what_is_not_there_is_refused_in_words(bench: Bench, message_id: str) -> None:
    """A message id comes from an agent and may be anything."""
    assert "no such message" in await bench.chat.react(bench.thread, message_id, THUMB)


def parcel(place: Path, name: str = "notes.txt", content: bytes = b"five!") -> Parcel:
    """A copy that is ready to be sent."""
    copy = place / "file_1.txt"
    copy.write_bytes(content)
    return Parcel(str(copy), name, FileKind.DOCUMENT, len(content), f"/srv/project/{name}")


async def test_a_file_is_delivered_with_its_name_and_content(bench: Bench, tmp_path: Path) -> None:
    """What was copied when it was decided is what arrives."""
    one = parcel(tmp_path, "N\u00f6tes '1'.txt")
    receipt = await bench.chat.deliver(Post(1, bench.thread, file_ref("r", 1), enclosed(one)))
    assert isinstance(receipt, Delivered)
    assert bench.files() == [("N\u00f6tes '1'.txt", b"five!")]


async def test_a_card_is_its_words_or_a_file_with_them_and_their_buttons(bench: Bench, tmp_path: Path) -> None:
    """In one message each, under the same name."""
    [words] = bench.chat.compose("Spent: one dollar", (Button("Today", "token-1"),))
    for number, body in enumerate((words, enclosed(parcel(tmp_path, "spent.txt"), words)), start=1):
        assert isinstance(await bench.chat.deliver(Post(number, bench.thread, card_ref("note_1"), body)), Delivered)
        assert "Spent: one dollar" in bench.texts()[-1]
        assert bench.labels() == ["Today"]
        assert len(bench.texts()) == number
    assert bench.files() == [("spent.txt", b"five!")]


async def test_a_body_that_is_no_file_is_rejected_under_a_files_name(bench: Bench) -> None:
    """It can never be sent, and nothing else is."""
    [body] = bench.chat.compose("words", ())
    assert isinstance(await bench.chat.deliver(Post(1, bench.thread, file_ref("r", 1), body)), Rejected)
    assert bench.texts() == []


def names(place: Path) -> list[str]:
    """What lies there."""
    return sorted(path.name for path in place.iterdir())


async def attached(bench: Bench, content: bytes, text: str = "") -> Attachment:
    """A file that a person sent."""
    bench.sends_file(content, "notes.txt", text)
    [(_, payload)] = await received(bench.chat, 1)
    message = bench.chat.read(payload)
    assert isinstance(message, Message)
    assert message.text == text
    [attachment] = message.attachments
    return attachment


@pytest.mark.parametrize("text", ["Read this", ""])
async def test_a_file_that_a_person_sends_is_fetched_whole_and_for_the_owner_alone(
    bench: Bench, tmp_path: Path, text: str
) -> None:
    """With or without words."""
    content = bytes(range(256)) * 4_000
    attachment = await attached(bench, content, text)
    assert (attachment.name, attachment.kind, attachment.size) == ("notes.txt", FileKind.DOCUMENT, len(content))
    into = tmp_path / "saved.txt"
    assert await bench.chat.fetch(attachment.id, str(into), len(content)) == Saved(len(content))
    assert into.read_bytes() == content
    assert stat.S_IMODE(into.stat().st_mode) == 0o600


async def test_a_file_beyond_the_limit_leaves_nothing_behind(bench: Bench, tmp_path: Path) -> None:
    """The bytes are counted as they come, whatever was claimed."""
    attachment = await attached(bench, b"x" * 5_000)
    assert await bench.chat.fetch(attachment.id, str(tmp_path / "a"), 4_999) == "it is larger than 5 kB"
    assert names(tmp_path) == []


async def test_a_file_that_nobody_sent_or_that_has_no_place_is_a_reason_in_words(bench: Bench, tmp_path: Path) -> None:
    """An attachment id may come from an agent."""
    assert isinstance(await bench.chat.fetch("nonsense", str(tmp_path / "a"), 100), str)
    attachment = await attached(bench, b"five!")
    assert "cannot be saved" in str(await bench.chat.fetch(attachment.id, str(tmp_path / "gone" / "a"), 100))
    assert names(tmp_path) == []


async def test_a_thread_is_opened_named_closed_and_opened_again_where_the_chat_has_several(topical: Bench) -> None:
    """Saying a thing twice is harmless; what is said there stands there."""
    chat = topical.chat
    assert chat.has_threads(topical.thread)
    opened = await chat.open_thread(topical.thread, "api: Fix it")
    assert isinstance(opened, Thread)
    assert (opened.service, opened.chat) == (topical.thread.service, topical.thread.chat)
    assert opened.topic
    for _ in range(2):
        assert await chat.rename_thread(opened, "api: Fix it, please") == ""
    for shut in (True, True, False, False):
        assert await chat.shut_thread(opened, shut=shut) == ""
    assert chat.thread_link(opened)
    [body] = chat.compose("In the topic", ())
    assert isinstance(await chat.deliver(Post(1, opened, "r", body)), Delivered)


async def test_a_thread_is_told_to_be_gone_apart_from_a_message_that_cannot_be(topical: Bench) -> None:
    """The chat itself is still there, and what was to be said can be said there."""
    gone = Thread(topical.thread.service, topical.thread.chat, "4242")
    [body] = topical.chat.compose("Anybody?", ())
    assert isinstance(await topical.chat.deliver(Post(1, gone, "r", body)), Gone)
    assert isinstance(await topical.chat.rename_thread(gone, "x"), Gone)
    assert isinstance(await topical.chat.shut_thread(gone, shut=True), Gone)
    assert isinstance(await topical.chat.deliver(Post(2, topical.thread, "s", body)), Delivered)


async def test_a_chat_without_threads_says_so_and_opens_none(bench: Bench) -> None:
    """The reason is in words."""
    assert not bench.chat.has_threads(bench.thread)
    refused = await bench.chat.open_thread(bench.thread, "api")
    assert isinstance(refused, str)
    assert refused
    assert bench.chat.thread_link(bench.thread) == ""
