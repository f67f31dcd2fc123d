"""Which commands a chat service offers to whom: what is of use to them, by what they may do there."""

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.core.access import may
from gateway.core.route import COMMANDS, Command
from gateway.domain.place import Deed, Grant, Role, Thread
from gateway.view.preference_words import FOR_STRANGERS

CHATS_MAX: Final = 100
"""So many chats are told what is of use in them; in the others it is what all groups, or strangers, are offered."""
DEEDS: Final = {
    "sessions": Deed.READ,
    "budget": Deed.READ,
    "cost": Deed.READ,
    "report": Deed.READ,
    "status": Deed.READ,
    "settings": Deed.READ,
    "model": Deed.READ,
    "mode": Deed.READ,
    "help": Deed.READ,
    "new": Deed.COMMAND,
    "resume": Deed.COMMAND,
    "fork": Deed.COMMAND,
    "steer": Deed.COMMAND,
    "close": Deed.COMMAND,
    "start": Deed.COMMAND,
    "stop": Deed.COMMAND,
    "forget": Deed.COMMAND,
    "raise": Deed.RAISE,
    "go": Deed.APPROVE,
}
"""What a person has to be allowed for a command to be of any use to them, be it only to look; commands that are not here are
offered to writers.
"""
_GROUP: Final = frozenset(
    {"new", "sessions", "resume", "close", "stop", "status", "cost", "report", "budget", "settings", "help"}
)
"""What is offered in groups: the rest is as good when it is typed."""
STRANGERS: Final = (Command("start", "", FOR_STRANGERS),)
GROUPS: Final = tuple(one for one in COMMANDS if one.name in _GROUP)
_RANKS: Final = (Role.OWNER, Role.APPROVER, Role.WRITER, Role.READER)


def deeds(grants: Sequence[Grant], thread: Thread) -> frozenset[Deed]:
    """What somebody with these grants may do in the thread."""
    return frozenset(deed for deed in Deed if may(grants, deed, thread))


def role(grants: Iterable[Grant], thread: Thread) -> Role | None:
    """What somebody with these grants is in the thread; None: a stranger."""
    here = {grant.role for grant in grants if grant.chat in ("", thread.chat)}
    return next((one for one in _RANKS if one in here), None)


def commands(allowed: frozenset[Deed], *, group: bool = False) -> tuple[Command, ...]:
    """Of all commands those that are of use to who may do this."""
    mine = (one for one in COMMANDS if DEEDS.get(one.name, Deed.COMMAND) in allowed)
    return tuple(one for one in mine if not group or one.name in _GROUP)


def offers(grants: Sequence[Grant], service: str) -> dict[str, tuple[Command, ...]]:
    """What is offered in which chat. A private chat has its person's number; in a group everybody sees the same."""
    people = dict.fromkeys(grant.person for grant in sorted(grants, key=lambda grant: _RANKS.index(grant.role)))
    found: dict[str, tuple[Command, ...]] = {}
    for person in people:
        theirs = [grant for grant in grants if grant.person == person]
        found[person] = commands(deeds(theirs, Thread(service, person)))
    for chat in dict.fromkeys(grant.chat for grant in grants if grant.chat and grant.chat not in people):
        found[chat] = commands(
            deeds([grant for grant in grants if grant.chat == chat], Thread(service, chat)), group=True
        )
    return dict([one for one in found.items() if one[1]][:CHATS_MAX])
