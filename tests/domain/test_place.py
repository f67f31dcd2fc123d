"""Where people and agents are."""

from gateway.domain.events import Edited, Message
from gateway.domain.place import Thread, Unmetered


def test_what_two_sources_know_of_a_session_is_one() -> None:
    """The directory of the later one, the times of both, and whether people were told, whichever comes first."""
    early, late = Unmetered("a", "/old", 1, 3, told_at_ms=9), Unmetered("a", "/new", 2, 4)
    assert early.merged(late) == late.merged(early) == Unmetered("a", "/new", 1, 4, told_at_ms=9)
    assert Unmetered("a", "/", 1, 1).merged(Unmetered("a", "/", 1, 1)).told_at_ms is None


def test_a_changed_message_is_by_whom_and_where_the_message_is() -> None:
    """It holds the message as it is now."""
    message = Message(Thread("telegram", "1"), "7", "better")
    assert (Edited(message).thread, Edited(message).person) == (message.thread, "7")
