"""When an album is whole, what waits for it, and what it is then."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.albums import LONGEST_MS, PARTS_MAX, QUIET_MS, Arrived, Next, choose, merged
from gateway.domain.events import Message, Unsupported
from gateway.domain.files import Attachment, FileKind
from gateway.domain.place import Thread

HERE, THERE = Thread("memory", "1"), Thread("memory", "2")


def part(key: str, seen_ms: int = 0, album: str = "a", thread: Thread = HERE) -> Arrived:
    """A part of an album."""
    return Arrived(key, seen_ms, thread, album)


def test_with_nothing_there_only_news_changes_that() -> None:
    """Nobody wakes up for nothing."""
    assert choose([], 0) == Next()


def test_an_album_is_whole_when_no_part_has_come_for_a_while() -> None:
    """Each part makes it wait anew; then all of them are handled together."""
    parts = [part("1"), part("2", 1_000)]
    assert choose(parts, 1_000) == Next(wait_ms=QUIET_MS)
    assert choose(parts, 1_000 + QUIET_MS - 1) == Next(wait_ms=1)
    assert choose(parts, 1_000 + QUIET_MS) == Next(("1", "2"))


def test_an_album_of_ten_is_whole_at_once() -> None:
    """There are none of eleven."""
    assert choose([part(str(n)) for n in range(PARTS_MAX)], 0).keys == tuple(str(n) for n in range(PARTS_MAX))


def test_an_album_is_not_waited_for_for_ever() -> None:
    """However slowly its parts come in."""
    parts = [part(str(n), n * 1_400) for n in range(8)]
    assert choose(parts, LONGEST_MS - 1) == Next(wait_ms=1)
    assert len(choose(parts, LONGEST_MS).keys) == 8


def test_what_is_written_after_an_album_waits_for_it_and_nothing_else_does() -> None:
    """Order is kept within a thread; commands, presses and other chats go on."""
    words, elsewhere, command = Arrived("3", 5, HERE), Arrived("4", 5, THERE), Arrived("5", 5)
    assert choose([part("1"), words], 10).wait_ms == QUIET_MS - 10
    assert choose([part("1"), words, elsewhere], 10) == Next(("4",))
    assert choose([part("1"), words, command], 10) == Next(("5",))
    assert choose([words, part("1")], 10) == Next(("3",))
    assert choose([part("1"), words], QUIET_MS) == Next(("1",))


def test_two_albums_are_two_and_keep_their_order() -> None:
    """The second one waits for the first; one in another chat does not."""
    parts = [part("1"), part("2", 0, "b"), part("3", 1_000)]
    assert choose(parts, QUIET_MS) == Next(wait_ms=1_000)
    assert choose(parts, 1_000 + QUIET_MS) == Next(("1", "3"))
    assert choose([part("1", 1_000), part("2", 0, "a", THERE)], QUIET_MS) == Next(("2",))


@given(
    st.lists(
        st.builds(
            lambda seen, thread, album: (seen, thread, album),
            st.integers(0, 20_000),
            st.sampled_from([None, HERE, THERE]),
            st.sampled_from(["", "a", "b"]),
        ),
        max_size=30,
    )
)
def test_everything_is_handled_once_within_the_longest_wait(found: list[tuple[int, Thread | None, str]]) -> None:
    """Whatever waits: after the longest wait there is always a next one, each time others, until nothing is left."""
    waiting = [Arrived(str(n), *one) for n, one in enumerate(found)]
    handled: list[str] = []
    while waiting:
        keys = choose(waiting, 20_000 + LONGEST_MS).keys
        assert keys
        handled += keys
        waiting = [one for one in waiting if one.key not in keys]
    assert sorted(handled, key=int) == [str(n) for n in range(len(found))]


def message(number: int, text: str = "", **more: str) -> Message:
    """A part that was read."""
    file = Attachment(f"f{number}", "photo.jpg", FileKind.PHOTO, album="a")
    return Message(HERE, "7", text, message_id=str(number), attachments=(file,), album="a", **more)  # type: ignore[arg-type]


def test_an_album_is_one_message_in_the_order_in_which_it_was_sent() -> None:
    """By the chat's numbers, whatever order they come in: 9 before 10; with all captions and all files."""
    found = merged([message(11, "second "), message(9, "first"), message(10)])
    assert isinstance(found, Message)
    assert found.text == "first\n\nsecond"
    assert [file.id for file in found.attachments] == ["f9", "f10", "f11"]
    assert (found.message_id, found.command, found.album) == ("9", None, "a")


def test_an_album_of_which_anything_is_anothers_is_anothers() -> None:
    """Nothing in it passes for the sender's own; what it answers to is told once."""
    found = merged([message(1, "mine"), replace(message(2), forwarded="Ann", quoted="why?", replies_to="4")])
    assert isinstance(found, Message)
    assert (found.forwarded, found.quoted, found.replies_to) == ("Ann", "why?", "4")


@pytest.mark.parametrize("at", [0, 1])
def test_an_album_with_a_part_that_is_not_read_is_not_read(at: int) -> None:
    """A command below one of its pictures: nothing of it runs without the words that belonged to it."""
    refused = Unsupported(HERE, "7", "No.", "album:a", "a")
    parts: list[Message | Unsupported] = [message(1), message(2)]
    parts.insert(at, refused)
    assert merged(parts) == refused
