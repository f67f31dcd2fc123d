"""What the channel's server and the gateway are to each other: values and two protocols, without the weight of `mcp`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.channel import Push


@dataclass(frozen=True, slots=True)
class Done:
    """It has happened, as far as the sentence says; the agent reads it. `message_ids` are of the messages that were made."""

    sentence: str
    message_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that was attached is here now: an absolute path that the agent may read."""

    path: str


@dataclass(frozen=True, slots=True)
class Declined:
    """It has not happened: why, and what the agent can do about it, in one sentence."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Question:
    """The client asks whether a tool may run. All of it is text of agents and tools: to be shown, never to be trusted.
    `preview` is the tool's input as far as the client tells it.
    """

    request_id: str
    tool: str
    description: str
    preview: str


class Channel(Protocol):
    """The way to one client, for as long as its connection lasts. Nothing here raises for a client that is gone."""

    async def push(self, message: Push) -> bool:
        """Write a message. True: the connection has taken it, which proves nothing about the agent. False: the client is not
        ready or gone, or the connection broke over it.
        """
        ...

    async def verdict(self, request_id: str, *, allow: bool) -> bool:
        """Write the answer to a Question, also to one of an earlier connection of the same client. True as for `push`."""
        ...


class Host(Protocol):
    """What the gateway does for one session. Calls come side by side, and are cancelled if the client takes one back or goes
    away: what may not be half done has to be one step. May raise TollbridgeError; its sentence goes to the agent.
    """

    async def ready(self, channel: Channel) -> None:
        """The client listens now: what waits for it may be pushed. Comes once a connection."""
        ...

    async def reply(self, text: str, files: Sequence[str], quotes: str | None) -> Done | Declined:
        """Say something to the person. `files` are absolute paths of no proven kind; `quotes` is the id of a message."""
        ...

    async def react(self, message_id: str, emoji: str) -> Done | Declined:
        """Put an emoji on a message."""
        ...

    async def edit(self, message_id: str, text: str) -> Done | Declined:
        """Change a message that `reply` made."""
        ...

    async def download(self, attachment_id: str) -> Saved | Declined:
        """Fetch what a person attached."""
        ...

    async def fetch(self) -> Sequence[Push]:
        """What was pushed to this session and is not known to be there, the oldest first; it stays so until `told`."""
        ...

    async def told(self, message_ids: Sequence[str]) -> None:
        """The connection has taken the answer with these messages of `fetch`. Completed even if the client goes meanwhile."""
        ...

    async def permission(self, question: Question) -> None:
        """Put the question to a person; the answer goes back by `Channel.verdict`."""
        ...
