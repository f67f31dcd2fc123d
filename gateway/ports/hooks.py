"""Events for the owner's webhook: what waits to be sent, and what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.core.hooks import Event
from gateway.domain.outcome import Left
from gateway.domain.place import Session
from gateway.domain.turn import Turn

Tell = Callable[[Turn | None, Turn, Session, int, int, Left | None], Event | None]
"""What is to be told of a turn, inside the transaction that writes it: the turn before and after, its session, the number of the newest
ledger entry, the time, and what it left behind as far as somebody looked.
"""


@dataclass(frozen=True, slots=True)
class Due:
    """An event to be sent now; `attempts`: how often that was tried."""

    number: int
    event: Event
    attempts: int


@dataclass(frozen=True, slots=True)
class Hooked:
    """How many events wait, how many of the last 90 days were given up, and why it failed last (empty: it did not)."""

    waiting: int = 0
    given_up: int = 0
    why: str = ""


class HookQueue(Protocol):
    """The events that wait. Every method raises StoreError."""

    async def due(self, now_ms: int, limit: int) -> tuple[Due, ...]:
        """Events that may be sent now, oldest first."""
        ...

    async def next_ms(self, now_ms: int) -> int | None:
        """In how many milliseconds the first of those that wait is due; None: none waits."""
        ...

    async def delivered(self, due: Due) -> None:
        """It arrived, and is forgotten."""
        ...

    async def failed(self, due: Due, why: str, now_ms: int, not_before_ms: int | None) -> None:
        """It is tried again at `not_before_ms`; None: it is given up, and only that is remembered."""
        ...

    async def written(self) -> None:
        """Wait until an event was written since the last call."""
        ...
