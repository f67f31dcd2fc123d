"""What a session has spent, told in its order: one look at its transcript at a time, off the event loop, before what follows on it."""

from collections.abc import Callable, Sequence
from typing import Final

import anyio
import anyio.to_thread

from gateway.agents.claude.desk.log import Log
from gateway.agents.claude.desk.otlp import Heard
from gateway.agents.claude.telling import Telling
from gateway.domain.events import Exited
from gateway.domain.usage import MAIN_LOOP

READ_EVERY_S: Final = 0.02


class Meter:
    """One session's. `reading` is held by whoever reads, or changes what is read."""

    def __init__(self, log: Log, telling: Telling) -> None:
        self.reading = anyio.Lock()
        self.model: str | None = None
        """The model that the main loop was seen to work with last."""
        self._log = log
        self._telling = telling
        self._heard: list[Heard] = []

    async def flush(self) -> None:
        """Tell every call that has ended, before anything that follows; nothing once all is summed up."""
        async with self.reading:
            if self._telling.gone.is_set():
                return
            heard = tuple(self._heard)
            events = await anyio.to_thread.run_sync(self._log.read, heard, anyio.current_time())
            del self._heard[: len(heard)]  # Not before: whoever waits may be cancelled, and nothing is lost.
            self._telling.tell(events)
            self.model = next((e.usage.model for e in reversed(events) if e.loop == MAIN_LOOP), self.model)

    async def reported(self, heard: Sequence[Heard]) -> None:
        """The session's telemetry tells of it."""
        if not self._telling.gone.is_set():
            self._heard += heard
            await self.flush()

    async def until(self, there: Callable[[], bool], limit_s: float) -> None:
        """Read on until it is there, or for so long."""
        with anyio.move_on_after(limit_s):
            await self.flush()
            while not there():
                await anyio.sleep(READ_EVERY_S)
                await self.flush()

    async def close(self, exited: Exited) -> bool:
        """Tell the rest, and that it was the last. True: the client has said what it used in all."""
        async with self.reading:
            rest, summed = await anyio.to_thread.run_sync(self._log.last, tuple(self._heard))
            self._telling.tell([*rest, exited])
            self._telling.gone.set()
        self._telling.wake()
        return summed
