"""What in a group is for the bot, and grants that move with their group."""

from dataclasses import replace

import pytest

from gateway.core import addressing, albums
from gateway.domain.events import Edited, Message, Unsupported
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role, Thread

WRITTEN = Message(Thread("telegram", "-1"), "8", "go", in_group=True, addressed=False)


@pytest.mark.parametrize(
    ("listens", "in_session", "meant"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_what_names_nobody_is_for_the_bot_where_all_is(listens: bool, in_session: bool, meant: bool) -> None:
    """In a session's topic, or where the owner wants it so; of messages, their changes, and what is not read."""
    for event in (
        WRITTEN,
        Edited(WRITTEN),
        Unsupported(WRITTEN.thread, "8", "no", "1", in_group=True, addressed=False),
    ):
        assert addressing.meant(event, listens=listens, in_session=in_session) is meant
    named = replace(WRITTEN, addressed=True)
    assert addressing.meant(named, listens=False, in_session=False)
    assert addressing.meant(replace(WRITTEN, in_group=False), listens=False, in_session=False)


def test_one_picture_that_names_the_bot_speaks_for_its_album() -> None:
    """Only one of them has the caption."""
    parts = [replace(WRITTEN, message_id=str(number), album="a") for number in (1, 2)]
    assert not albums.merged(parts).addressed
    assert albums.merged([parts[0], replace(parts[1], addressed=True)]).addressed


def test_grants_move_with_their_group_and_none_grows() -> None:
    """Who has a grant for the new number keeps that one, be it less; others, and those for other chats, are as they were."""
    ada, wim = Grant("1", Role.OWNER), Grant("8", Role.APPROVER, "-5", Usd.parse("1"))
    twice = (Grant("9", Role.OWNER, "-5"), Grant("9", Role.READER, "-100123"))
    moved = addressing.moved_grants((ada, wim, *twice), "-5", "-100123")
    assert moved == (ada, replace(wim, chat="-100123"), twice[1])
    assert addressing.moved_grants(moved, "-5", "-100123") == moved


def test_a_chat_is_known_by_name_and_nobodys_without_any_grant_that_reaches_it() -> None:
    """A grant for everywhere reaches every chat and names none."""
    everywhere, there = Grant("1", Role.OWNER), Grant("8", Role.READER, "-5")
    assert (addressing.is_known([everywhere], "-5"), addressing.is_known([there], "-5")) == (False, True)
    assert [addressing.is_nobodys([one], "-6") for one in (everywhere, there)] == [False, True]


def test_a_thread_of_a_group_that_moved_is_the_same_topic_in_the_new_number() -> None:
    """Others stay where they are."""
    moves = [("-5", "-100123"), ("-7", "-100456")]
    assert addressing.at_home(Thread("telegram", "-7", "12"), moves) == Thread("telegram", "-100456", "12")
    assert addressing.at_home(Thread("telegram", "-6", "12"), moves) == Thread("telegram", "-6", "12")
