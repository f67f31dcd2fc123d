"""Where people and agents are: a thread in a chat, a session in a directory, and who may do what."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

from gateway.domain.money import Usd

AT_DESK: Final = "channel"
"""The agent of sessions that people open themselves."""


@dataclass(frozen=True, slots=True, order=True)
class Thread:
    """One conversation in one chat, in the chat's own numbers: `Thread("telegram", "4711")`, with a topic in a forum."""

    service: str
    chat: str
    topic: str = ""


class Room(StrEnum):
    """What becomes of the thread that a session has for itself, in a chat that can have several."""

    NONE = ""
    """It has none, or one that a person made."""
    WANTED = "wanted"
    """It is to be opened; until then the session is where it was asked for."""
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"
    REOPENING = "reopening"


UNSETTLED: Final = (Room.WANTED, Room.CLOSING, Room.REOPENING)
"""The chat was not told yet, as far as is known."""


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation with one agent in one directory, bound to one chat thread.

    `project` is the root of the repository that the directory is in, empty if it is in none. `agent_session` is the agent's
    own id, None before its first start. `context_tokens`, `last_call_at_ms` and
    `cache_ttl_s` describe the prompt cache after the last call of the main loop, for the estimate's floor.
    """

    id: str
    agent: str
    directory: str
    thread: Thread
    owner: str
    created_at_ms: int
    agent_session: str | None = None
    model: str | None = None
    context_tokens: int = 0
    last_call_at_ms: int | None = None
    cache_ttl_s: int = 300
    title: str = ""
    project: str = ""
    unattended: bool = False
    """Nobody sits at it, or comes back to it: one prompt that a program has sent. It never becomes the current one by itself."""
    forgotten_at_ms: int | None = None
    """When all its words were forgotten, for good: nothing goes to it any more."""
    room: Room = Room.NONE
    room_name: str = ""
    """What its own thread is called, as far as the chat was told."""
    branch: str = ""
    """Not empty: `directory` is a worktree of the repository `project` for this branch, made when it is needed."""
    mode: str = ""
    """The agent's way of working that a person chose, in the agent's traits' words; empty: its usual one."""
    forked_from: str = ""
    """Not empty: the agent's id of another conversation, as a copy of which this one begins with its first prompt."""


UNMETERED_MAX = 1_000
"""So many sessions without Tollbridge are kept, the latest."""


@dataclass(frozen=True, slots=True)
class Unmetered:
    """A session that was opened without Tollbridge, by the agent's own id of it: where, and when it was first and last heard of.

    `told_at_ms`: when the chat was told; None: it was not.
    """

    session: str
    directory: str
    since_ms: int
    last_ms: int
    told_at_ms: int | None = None

    def merged(self, other: Self) -> Self:
        """What is known of one session from two sources."""
        newer = self if self.last_ms >= other.last_ms else other
        told = self.told_at_ms if self.told_at_ms is not None else other.told_at_ms
        return replace(newer, since_ms=min(self.since_ms, other.since_ms), told_at_ms=told)


class Role(StrEnum):
    """What a grant makes of a person; each may do what the one below may."""

    OWNER = "owner"
    """Everything."""
    APPROVER = "approver"
    """Answers questions, about money and about tools, and raises limits."""
    WRITER = "writer"
    """Gives the agent work, and stops it."""
    READER = "reader"
    """Sees what is going on and what it costs."""


class GrantFrom(StrEnum):
    """Where a grant is from, and so where it is changed."""

    SETTINGS = "settings"
    """Replaced by what the settings say whenever the gateway starts."""
    PAIRED = "paired"
    """Given while the gateway ran: it stays until it is taken away."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A person's role in a chat (`chat` empty: everywhere) and the largest raise they may approve (None: any).

    `since_ms`: since when it is so (None: not known); `by`: who said yes to it, empty for the settings'. `name` is what the person
    called themselves when they were paired: anybody may choose any, and nothing is decided by it.
    """

    person: str
    role: Role
    chat: str = ""
    largest_raise: Usd | None = None
    origin: GrantFrom = GrantFrom.SETTINGS
    since_ms: int | None = None
    by: str = ""
    name: str = ""


class Deed(StrEnum):
    """What a person can try to do."""

    READ = "read"
    """`/cost`, `/budget`, `/sessions`, `/help`."""
    PROMPT = "prompt"
    """Plain text for the agent."""
    COMMAND = "command"
    """`/new`, `/stop`, going to another session, a lower limit."""
    APPROVE = "approve"
    """Answer a question; `/go`."""
    RAISE = "raise"
    """A higher limit."""
    GRANT = "grant"
    """Let somebody in, or let them do more."""
