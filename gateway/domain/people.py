"""Who is let in from this machine, and how it stands with that: what is wanted, and what is told."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.money import Usd
from gateway.domain.place import Role


@dataclass(frozen=True, slots=True)
class Terms:
    """What whoever is paired may do: a role in a chat (None: in their own with the bot; empty: everywhere), and the largest raise."""

    role: Role
    chat: str | None = None
    largest_raise: Usd | None = None


@dataclass(frozen=True, slots=True)
class WantedRole:
    """A person is to have this role (None: none any more), where they have one in this chat (None: wherever)."""

    person: str
    role: Role | None
    chat: str | None = None
    largest_raise: Usd | None = None
    """None: as it was, as far as the role may raise at all."""


class WindowState(StrEnum):
    """How it stands with a window in which somebody may be paired."""

    OPEN = "open"
    """A code is waited for."""
    FOUND = "found"
    """The right one was typed: a yes or no is waited for."""
    CLOSED = "closed"
    REFUSED = "refused"
    """It must not be opened."""


@dataclass(frozen=True, slots=True)
class WindowStanding:
    """How it stands with a window, in words for who opened it."""

    state: WindowState
    words: str
    id: str = ""
