"""Where a scripted agent meets the gateway: what it tells, what it waits for, and the answers."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel

from gateway import clock
from gateway.domain.effects import Answer
from gateway.domain.events import AgentEvent, Exited, Withdrawn

EVENTS_UNREAD_MAX = 256


class Bell:
    """Wakes everyone who waits for a change; they look again for themselves."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def ring(self) -> None:
        """Something changed."""
        self._event.set()
        self._event = anyio.Event()

    async def heard(self) -> None:
        """Wait for the next change."""
        await self._event.wait()


@dataclass(slots=True)
class _Request:
    """Something the agent waits for: which answers it takes, and the answer."""

    takes: tuple[type[Answer], ...]
    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: Answer | None = None


class Desk:
    """Events on their way out, and requests that wait. `gone`: nothing more will be told or taken."""

    def __init__(self, bell: Bell) -> None:
        self.gone = anyio.Event()
        self.reason = "it was closed"
        self._bell = bell
        self._events: deque[AgentEvent] = deque()
        self._waiting: dict[str, _Request] = {}

    def tell(self, event: AgentEvent) -> None:
        """Tell what happened. It never waits, so that what ends a loop is told even while nobody reads: see `room`."""
        self._events.append(event)
        self._bell.ring()

    async def room(self) -> None:
        """Wait until the reader of events has caught up."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        while len(self._events) >= EVENTS_UNREAD_MAX:
            await self._bell.heard()

    async def read(self) -> AsyncIterator[AgentEvent]:
        """Everything that is told; the last event is Exited."""
        while True:
            while self._events:
                event = self._events.popleft()
                self._bell.ring()
                yield event
            if self.gone.is_set():
                break
            await self._bell.heard()
        yield Exited(self.reason)

    async def ask(self, event: Callable[[str], AgentEvent], takes: tuple[type[Answer], ...]) -> Answer:
        """Tell the event under a new request id, and wait for its answer. Cancelled meanwhile, it is withdrawn."""
        await self.room()
        request_id = clock.new_id("request")
        request = self._waiting[request_id] = _Request(takes)
        self.tell(event(request_id))
        try:
            await request.answered.wait()
        finally:
            if request.answer is None:
                self._waiting.pop(request_id, None)
                self.tell(Withdrawn(request_id))
        assert request.answer is not None  # noqa: S101 - set before `answered`
        return request.answer

    def answer(self, request_id: str, answer: Answer) -> bool:
        """Take an answer; False: nothing waits for it. An answer of the wrong kind is a bug: TypeError."""
        request = self._waiting.get(request_id)
        if request is None:
            return False
        if not isinstance(answer, request.takes):
            raise TypeError(f"{type(answer).__name__} is no answer to {request_id}")
        del self._waiting[request_id]
        request.answer = answer
        request.answered.set()
        return True

    def leave(self) -> None:
        """Nothing more will be told or taken."""
        self._waiting.clear()
        self.gone.set()
        self._bell.ring()
