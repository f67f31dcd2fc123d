"""A limit that somebody wants changed from outside the chat: what is wanted, who asks, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.budget import ScopeKind, Unit


@dataclass(frozen=True, slots=True)
class Wanted:
    """A limit to be set to `amount`, or raised by it, as it was asked for: which scope is meant is found out later.

    `until`: how long a raise is to last, as it was written (`2h`, `18:00`), empty: for good. `session` may be the beginning
    of an id; `directory` is where the command was given; `person` and `chat` are numbers, empty: the one owner's.
    """

    kind: ScopeKind
    amount: int
    raises: bool
    why: str = ""
    until: str = ""
    session: str = ""
    directory: str = ""
    person: str = ""
    chat: str = ""
    unit: Unit = Unit.USD
    """Of the amount."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A command line as the system knows it: the user and machine, the process and those above it, and if it has a terminal.

    `lineage` begins with the process itself; empty: it could not be found out. `marked`: an agent has started one of them.
    """

    user: str
    host: str
    lineage: tuple[int, ...]
    terminal: bool
    marked: bool = False


class ChangeState(StrEnum):
    """How it stands with a change."""

    DONE = "done"
    """It has taken effect, or was so already."""
    ASKED = "asked"
    """A person has to say yes, and has not answered yet."""
    NO = "no"
    EXPIRED = "expired"
    VOID = "void"
    """A yes came too late: what it was for is over, or another change went further."""
    REFUSED = "refused"
    """It must not be, and nobody is asked."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with a change, in words for who asked. `id` and `expires_at_ms` where a person is asked.

    `shown`: the question stands in the chat, as far as the chat has told.
    """

    state: ChangeState
    words: str
    id: str = ""
    expires_at_ms: int = 0
    shown: bool = False
