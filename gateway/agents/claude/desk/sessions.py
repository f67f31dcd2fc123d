"""The sessions that are open at the desk, by their names and by the processes of their clients, and those that are being left."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

import anyio

from gateway.agents.claude.desk.client import DeskClient

SESSIONS_MAX: Final = 64
"""So many sessions may be open at the desk; each further one is told so at its first prompt."""


@dataclass(slots=True, eq=False)
class Session:
    """An open session. `process` is the client's; several sessions follow each other in one (`/clear`)."""

    client: DeskClient
    process: int
    transcript: Path
    started: str = ""
    """What tells that process from a later one of the same number."""
    sure: bool = False
    """Its process is the client's own. (A hook that outlives a killed client has the one that takes in orphans for a parent.)"""
    below: bool = False
    """What another session's client has started has opened it."""
    refused: str = ""
    """Why it may not take part."""
    lives: bool = False
    """It is looked at beside its hooks."""
    noted: bool | None = None
    """What is written down of whether it hears."""
    settled: anyio.Event = field(default_factory=anyio.Event)
    """It is over, and all of it is told."""


class Sessions:
    """All of one gateway's."""

    def __init__(self) -> None:
        self.open: dict[str, Session] = {}
        self.closing: dict[str, Session] = {}
        """Sessions that have ended, of which it is still to be read what they used in all."""
        self._meeting = WeakValueDictionary[str, anyio.Lock]()
        self._arriving = 0

    def alone(self, name: str) -> anyio.Lock:
        """What is held by whoever finds out whether a session is open, and opens it. One for each: a transcript may be long to read, and
        another session does not wait for that.
        """
        return self._meeting.setdefault(name, anyio.Lock())

    async def left(self, name: str) -> None:
        """Wait until all is told of a session that is being left."""
        closing = self.closing.get(name)
        if closing is not None:
            await closing.settled.wait()

    @contextmanager
    def arrives(self) -> Iterator[None]:
        """One more session is about to be open."""
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1

    @property
    def full(self) -> bool:
        """There is no room for one more."""
        return len(self.open) + self._arriving >= SESSIONS_MAX

    def idle(self) -> str:
        """The one that has been open longest of those at rest that no process is known of; empty: there is none."""
        return next((name for name, one in self.open.items() if not one.process and one.client.rests), "")

    def newest_in(self, process: int) -> Session | None:
        """The session that was opened last in a client's process; none where that is not known."""
        found = (one for one in reversed(self.open.values()) if process and one.process == process)
        return next(found, None)

    def is_below(self, lineage: Sequence[int]) -> bool:
        """Whether the client that speaks was started by what an open session's client has started."""
        return any(one.sure and one.process in lineage[2:] for one in self.open.values())
