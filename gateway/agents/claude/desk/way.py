"""The way into a session: the channel that is joined to it, and whether its client shows what comes from there. Pure.

Any client starts the channel's server; whether it takes what comes from there, it says nowhere before it has shown the first message.
"""

from typing import Protocol

from gateway.core import channel
from gateway.domain.events import End, Finished, Listening
from gateway.view import desk_words


class Pusher(Protocol):
    """The channel's own end, as the MCP server has it."""

    async def push(self, message: channel.Push) -> bool: ...

    async def verdict(self, request_id: str, *, allow: bool) -> bool: ...


class Way:
    """The way into one session. What its methods return is what there is to tell.

    `hears`: whether it shows what is pushed into it, or has not shown the first of it; None: nothing tells. `unattended`: nobody sits
    at it, it is `claude -p`.
    """

    def __init__(self, *, hears: bool | None = None, unattended: bool = False) -> None:
        self.hears = hears
        self.unattended = unattended
        self.pusher: Pusher | None = None
        self._through: Pusher | None = None
        """What the last message was written to: what one channel has lost says nothing of another."""

    @property
    def listens(self) -> bool:
        """A channel is joined, and the session is not known to take nothing from there."""
        return self.pusher is not None and self.hears is not False and not self.unattended

    def taken(self) -> Pusher | None:
        """The channel that a message is written to now; None: nothing listens."""
        self._through = self.pusher if self.listens else self._through
        return self.pusher if self.listens else None

    def join(self, pusher: Pusher, *, hears: bool | None = None) -> list[Listening]:
        """A channel is open. `hears`: what is known of another session of the same client."""
        if self.hears is False and self._through not in (None, pusher):
            self.hears = None
        self.pusher, self.hears = pusher, self.hears if hears is None else hears
        return self._listening()

    def leave(self, pusher: Pusher) -> None:
        """The channel is gone, unless another has its place already."""
        if self.pusher is pusher:
            self.pusher = None

    def close(self) -> None:
        """The session is gone."""
        self.pusher = None

    def attended(self, attended: bool) -> list[Listening]:  # noqa: FBT001 - it says what it is
        """Whether somebody sits at it, as its hooks say: `claude -p` may go on in a conversation that somebody had open."""
        if self.unattended is not attended:
            return []
        self.unattended = not attended
        return self._listening()

    def shows(self) -> list[Listening]:
        """It has shown something of its channel: it takes what comes from there."""
        deaf, self.hears = self.hears is False, True
        return self._listening() if deaf else []

    def lost(self, name: str, *, at_rest: bool) -> Finished:
        """It did not show a message in time. The first one that it could have shown, `at_rest`, shows that it takes none."""
        if self.hears is None and at_rest and self.pusher is not None and self.pusher is self._through:
            self.hears = False
        words = f"{channel.UNCONFIRMED} {desk_words.DEAF}" if self.hears is False else channel.UNCONFIRMED
        return Finished(End.INTERRUPTED, words, name, ())

    def _listening(self) -> list[Listening]:
        return [Listening(proven=self.hears is True)] if self.listens else []
