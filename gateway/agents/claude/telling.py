"""The client's events on their way to the one who reads them."""

from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio

from gateway.domain.events import AgentEvent, Writing

UNREAD_MAX: Final = 10_000
"""So many events may wait for their reader; then the client's lines are left waiting, too."""


@dataclass(slots=True)
class Telling:
    """`gone` is set once nothing more will be told."""

    gone: anyio.Event
    _events: deque[AgentEvent] = field(default_factory=deque)
    _changed: anyio.Event = field(default_factory=anyio.Event)

    @property
    def all_read(self) -> bool:
        """Everything told so far has been read."""
        return not self._events

    @property
    def waiting(self) -> Sequence[AgentEvent]:
        """What nobody has read yet, oldest first."""
        return tuple(self._events)

    def tell(self, events: Iterable[AgentEvent]) -> None:
        """Not awaited: whoever tells of a boundary after a call must be sure that the call is in the queue before it."""
        told = False
        for event in events:
            if isinstance(event, Writing) and self._events and isinstance(self._events[-1], Writing):
                self._events.pop()  # Nobody has read it, and this one tells all of it.
            self._events.append(event)
            told = True
        if told:
            self.wake()

    def wake(self) -> None:
        """Let everyone who waits look again."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def read(self) -> AsyncIterator[AgentEvent]:
        """Everything that is told, in order, until it is gone."""
        while self._events or not self.gone.is_set():
            while self._events:
                event = self._events.popleft()
                self.wake()
                yield event
            changed = self._changed
            if not self.gone.is_set():
                await changed.wait()

    async def room(self) -> None:
        """Wait until the reader has caught up."""
        while len(self._events) > UNREAD_MAX:
            await self._changed.wait()
