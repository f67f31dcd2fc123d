"""Who may have a session's words forgotten, and what is old enough to be."""

import pytest

from gateway.core.forgetting import DAY_MS, Cut, before_ms, may_forget
from gateway.domain.place import Grant, Role
from tests.core.make import CHAT, session


@pytest.mark.parametrize(
    ("person", "grant", "allowed"),
    [
        ("7", Grant("7", Role.WRITER), True),
        ("7", Grant("7", Role.WRITER, CHAT.chat), True),
        ("7", Grant("7", Role.READER), False),
        ("7", Grant("7", Role.WRITER, "-100"), False),
        ("8", Grant("8", Role.WRITER), False),
        ("8", Grant("8", Role.APPROVER), False),
        ("8", Grant("8", Role.OWNER), True),
        ("8", Grant("8", Role.OWNER, "-100"), False),
    ],
)
def test_a_session_is_forgotten_by_whose_it_is_and_by_owners(person: str, grant: Grant, *, allowed: bool) -> None:
    """Its own person only while they may write where it is; of the others only owners of that place."""
    assert may_forget(person, session(owner="7"), iter([grant])) is allowed


def test_nobody_without_a_grant_has_anything_forgotten() -> None:
    """Whose session it was has no say in it once they were put out."""
    assert not may_forget("7", session(owner="7"), ())


def test_what_is_kept_for_ever_has_no_age_at_which_it_goes() -> None:
    """0 days are for ever; otherwise it is so many whole days before now."""
    assert before_ms(0, 10 * DAY_MS) is None
    assert before_ms(3, 10 * DAY_MS) == 7 * DAY_MS


def test_batches_of_forgetting_add_up_and_an_empty_one_is_the_end() -> None:
    """Turns and questions are counted each for itself, and either is reason to go on."""
    assert Cut(2, 1) + Cut(3) == Cut(5, 1)
    assert [bool(cut) for cut in (Cut(), Cut(1), Cut(0, 1))] == [False, True, True]
