"""Locks by session, or another name, that are gone when nobody wants them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio


class Locks:
    """A lock for each session, for as long as anybody wants it."""

    def __init__(self) -> None:
        self._locks: dict[str, anyio.Lock] = {}

    @asynccontextmanager
    async def of(self, session_id: str) -> AsyncGenerator[None]:
        """Hold the session's lock; those who wait get it in the order in which they came."""
        lock = self._locks.setdefault(session_id, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and not lock.statistics().tasks_waiting and self._locks.get(session_id) is lock:
                del self._locks[session_id]
