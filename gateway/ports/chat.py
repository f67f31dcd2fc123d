"""A chat service, and what becomes of what is sent to it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.route import Command
from gateway.domain.effects import Button
from gateway.domain.events import Incoming, Tap
from gateway.domain.place import Thread
from gateway.ports.base import TollbridgeError


class UnreadableError(TollbridgeError):
    """An update that cannot be understood: it is put aside, with the reason, and the next one is read."""


@dataclass(frozen=True, slots=True)
class Post:
    """One message on its way out. `edits` names the message to change instead.

    `body` is what `Chat.compose` made, or `core.files.enclosed` (`core.files.parcel_of` tells).
    """

    id: int
    thread: Thread
    ref: str
    body: str
    edits: str | None = None
    ring: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """It is there, under this name."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Delayed:
    """It is not there; try again after so long. `whole_service`: the delay holds for every thread, not just this one. `closed`:
    until a person opens the thread again; it is never given up for that.
    """

    wait_ms: int
    whole_service: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Uncertain:
    """It may be there: the request went out and no answer came back. It is never repeated blindly."""

    why: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """It will never be there: the person blocked the bot, the message to edit is gone, ... `unchangeable`: no other edit of that
    message will be, either.
    """

    why: str
    unchangeable: bool = False


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """It is not there, and will be once it is sent to where the chat has moved: its number from now on."""

    chat: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing can be said in its thread any more, and the chat is still there: it waits for `Decision.rerouted`."""

    why: str


Receipt = Delivered | Delayed | Uncertain | Rejected | Elsewhere | Gone


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that a person sent is on the disk, with so many bytes."""

    size: int


Accept = Callable[[Sequence[tuple[str, str]]], Awaitable[None]]
"""Takes (key, payload) of updates, in the order in which they came, all or none. Raises StoreError."""


class Chat(Protocol):
    """A chat service. Updates come in as opaque text with a unique key, so that they can be stored before they are read."""

    service: str
    where: str
    """Where people read it, in words for somebody who sits elsewhere: "on your phone"."""

    async def receive(self, accept: Accept) -> None:
        """Run until cancelled: `await accept(updates)`, as many as came together; they are confirmed to the service only after that."""
        ...

    def read(self, payload: str) -> Incoming:
        """What an update means. Raises UnreadableError."""
        ...

    def compose(self, text: str, buttons: Sequence[Button]) -> tuple[str, ...]:
        """Markdown and buttons as bodies that each fit one message; the buttons stand under the last."""
        ...

    def enclosable(self, text: str) -> str | None:
        """The text as it may go in a picture or a file; None: neither helps here, all of it is said."""
        ...

    def gap_ms(self, thread: Thread, *, edit: bool) -> int:
        """How long the service wants between two deliveries to this thread."""
        ...

    @property
    def service_gap_ms(self) -> int:
        """How long it wants between two deliveries to whichever threads."""
        ...

    async def deliver(self, post: Post) -> Receipt:
        """Send or edit one message. Never raises for what the service or the network does: that is the receipt."""
        ...

    async def acknowledge(self, tap: Tap, words: str) -> None:
        """Stop the spinner on a pressed button, with a word if there is one. Losing it is harmless."""
        ...

    async def typing(self, thread: Thread) -> None:
        """Show for a few seconds that work goes on. Losing it is harmless."""
        ...

    async def draft(self, thread: Thread, draft_id: int, text: str) -> bool:
        """Show the end of an answer that is still being written, in place of what was shown of it under this number; it is gone when
        a message comes, or after a while. False: there is no such thing here. Losing one is harmless.
        """
        ...

    async def fetch(self, attachment_id: str, into: str, bytes_max: int) -> Saved | str:
        """Save a file that a person sent under this path, whole and for this user alone; or why not, and nothing is there.

        `bytes_max` is counted as they come, whatever the service says of its size. It is never unpacked.
        """
        ...

    async def react(self, thread: Thread, message_id: str, emoji: str) -> str:
        """Put an emoji on a message of the thread, in place of one that we put there before; empty: done, else why not."""
        ...

    def has_threads(self, thread: Thread) -> bool:
        """The chat of this thread can have further ones, as far as is known now."""
        ...

    async def open_thread(self, thread: Thread, name: str) -> Thread | Delayed | Uncertain | str:
        """A new thread in the chat of this one, called so (cut to what the service takes); or when to ask again, or why not."""
        ...

    async def rename_thread(self, thread: Thread, name: str) -> Delayed | Gone | str:
        """Call a thread so; empty: done, or it is called so already; else when to ask again, or why not."""
        ...

    async def shut_thread(self, thread: Thread, *, shut: bool) -> Delayed | Gone | str:
        """Close a thread, or open it again; empty: done, or it is so already; else when to ask again, or why not."""
        ...

    def thread_link(self, thread: Thread) -> str:
        """What opens the thread, where there is such an address; else empty."""
        ...

    async def offer(self, commands: Sequence[Command], chat: str = "", *, groups: bool = False) -> str:
        """Have the service show these commands in a chat, or without one wherever none were offered: in groups, or else.

        None at all: it forgets what was offered there. Empty: done, else why not.
        """
        ...
