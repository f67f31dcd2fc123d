"""Which commands are offered to whom."""

import pytest

from gateway.core import offers
from gateway.core.route import COMMANDS, Explain, route
from gateway.domain.events import Message
from gateway.domain.place import Deed, Grant, Role
from gateway.engine.inbound import needed
from tests.core.make import CHAT

READS = ["sessions", "budget", "cost", "report", "status", "settings", "model", "mode", "help"]
GROUP_LOOKS = {"sessions", "budget", "cost", "report", "status", "settings", "help"}


def offered(*grants: Grant) -> dict[str, list[str]]:
    """The names of the commands by chat."""
    return {chat: [one.name for one in commands] for chat, commands in offers.offers(grants, "telegram").items()}


def test_everybody_is_offered_what_is_of_use_to_them() -> None:
    """A reader looks, a writer also works, stops and forgets, an approver raises and lets go on, and an owner sees everything."""
    roles = {"1": Role.READER, "2": Role.WRITER, "3": Role.APPROVER, "4": Role.OWNER}
    found = offered(*(Grant(person, role) for person, role in roles.items()))
    assert set(found["1"]) == set(READS)
    assert set(found["2"]) - set(found["1"]) == {"new", "resume", "fork", "steer", "close", "start", "stop", "forget"}
    assert set(found["3"]) - set(found["2"]) == {"raise", "go"}
    assert found["4"] == [one.name for one in COMMANDS]


def test_a_group_is_offered_less_and_nothing_in_private_to_who_is_only_there() -> None:
    """What everybody in the group sees is what somebody there may do: where nobody writes, nothing that works on sessions. A grant for
    a group opens no private chat.
    """
    found = offered(Grant("1", Role.WRITER, "-100"), Grant("2", Role.OWNER))
    assert set(found["-100"]) == {*GROUP_LOOKS, "new", "resume", "close", "stop"}
    assert set(offered(Grant("1", Role.READER, "-100"))["-100"]) == GROUP_LOOKS
    assert "1" not in found
    assert {one.name for one in offers.GROUPS} == set(found["-100"])


def test_so_many_chats_are_told_and_owners_first() -> None:
    """The list of chats has a limit."""
    grants = [Grant(str(number), Role.READER) for number in range(offers.CHATS_MAX + 5)]
    found = offered(*grants, Grant("owner", Role.OWNER))
    assert len(found) == offers.CHATS_MAX
    assert next(iter(found)) == "owner"


@pytest.mark.parametrize("name", [one.name for one in COMMANDS])
def test_what_is_offered_may_be_used(name: str) -> None:
    """The table of what a command is for agrees with what it takes to give it, bare, or with an amount."""
    intent = route(Message(CHAT, "7", "", command=(name, "1" if name == "raise" else "")))
    assert not isinstance(intent, Explain)
    assert needed(intent) is offers.DEEDS[name]


def test_a_role_is_the_highest_that_somebody_has_in_a_place() -> None:
    """Everywhere a reader, here an approver; elsewhere a stranger."""
    grants = (Grant("1", Role.READER), Grant("1", Role.APPROVER, CHAT.chat))
    assert offers.role(grants, CHAT) is Role.APPROVER
    assert offers.role(grants[:1], CHAT) is Role.READER
    assert offers.role((), CHAT) is None
    assert offers.deeds((), CHAT) == frozenset[Deed]()
