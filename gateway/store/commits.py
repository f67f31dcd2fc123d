"""Group commit: the jobs of many callers in one transaction, each by itself, with one COMMIT for all of them.

A caller puts its job on a list and takes a lock. Whoever holds the lock runs the jobs that wait, its own among them, in a
worker thread; the others find theirs done when their turn comes.

Reads need no commit, and do not wait for one: they have a connection of their own.
"""

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

import anyio
import anyio.lowlevel
from anyio import to_thread
from sqlalchemy import Connection, Engine

from gateway.ports import StoreError
from gateway.store import prepared
from gateway.store.sqlite import DatabaseError, IntegrityError, empty_log, translate, translated

R = TypeVar("R")

LARGEST_BATCH = 64
MOST_WAITING = 10_000
CLOSED = "The database was closed: the gateway is stopping"


class _Job(Generic[R]):
    """What one caller wants done, and how it went. As a context it keeps what goes wrong inside, for its caller."""

    def __init__(self, work: Callable[[Connection], R]) -> None:
        self._work = work
        self._results: list[R] = []
        self.error: Exception | None = None
        self.over = False
        """The transaction was committed, or nothing of it was kept."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if isinstance(error, IntegrityError):
            self.error = translate(error)
        elif isinstance(error, Exception) and not isinstance(error, DatabaseError):
            self.error = error
        return self.error is not None

    def run(self, connection: Connection) -> None:
        """Do the work. Raises DatabaseError, for which nobody's work may be committed."""
        with self:
            self._results.append(self._work(connection))

    def run_beside_others(self, connection: Connection) -> None:
        """The same under a savepoint: if it fails, nothing of it is kept, and all of what the others did."""
        prepared.run(connection, "SAVEPOINT job")
        self.run(connection)
        if self.error is not None:
            prepared.run(connection, "ROLLBACK TO job")
        prepared.run(connection, "RELEASE job")

    def result(self) -> R:
        if self.error is not None:
            raise self.error
        return self._results[0]


class Commits:
    """Runs jobs on the one connection that writes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: deque[_Job] = deque()
        self._turn = anyio.Lock()
        self._thread = anyio.CapacityLimiter(1)
        self._connection_free = threading.Lock()
        self._closed = False

    async def run(self, work: Callable[[Connection], R]) -> R:
        """Run the work in a transaction and return once it is durable. Raises what the work raises, or StoreError.

        Cancelled while it waits, it never happens; cancelled once it has begun, it is finished first.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        if self._closed:
            raise StoreError(CLOSED)
        if len(self._waiting) >= MOST_WAITING:
            raise StoreError("The database cannot keep up: too much waits to be written; try again later")
        job = _Job(work)
        self._waiting.append(job)
        try:
            await self._finish(job)
        except anyio.get_cancelled_exc_class():
            if job in self._waiting:
                self._waiting.remove(job)
            else:
                with anyio.CancelScope(shield=True):
                    await self._finish(job)
            raise
        return job.result()

    async def scrub(self) -> bool:
        """Empty the write-ahead log into the database, between transactions; False: somebody reads just now. Raises StoreError."""
        done = False
        with anyio.CancelScope(shield=True):
            async with self._turn:
                done = await to_thread.run_sync(self._scrub, limiter=self._thread)
        return done

    async def close(self) -> None:
        """Let what has begun finish, fail what waits, and close the connection; idempotent."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            async with self._turn:
                await to_thread.run_sync(self._dispose, limiter=self._thread)

    async def _finish(self, job: _Job) -> None:
        async with self._turn:
            while not job.over:
                batch = [self._waiting.popleft() for _ in range(min(LARGEST_BATCH, len(self._waiting)))]
                with anyio.CancelScope(shield=True):
                    await to_thread.run_sync(self._commit, batch, limiter=self._thread)

    def _commit(self, batch: list[_Job]) -> None:
        """In the worker thread. The lock is for a caller that a foreign cancellation tore from its thread."""
        with self._connection_free:
            committed = False
            try:
                self._transact(batch)
                committed = True
            except DatabaseError as error:
                for job in batch:
                    job.error = translate(error)
            finally:
                for job in batch:
                    if not committed and job.error is None:
                        job.error = StoreError(
                            "The transaction was broken off, and nothing of it was written: try again"
                        )
                    job.over = True

    def _transact(self, batch: list[_Job]) -> None:
        if not batch:
            return
        if self._closed:
            for job in batch:
                job.error = StoreError(CLOSED)
            return
        with self._engine.connect() as connection, connection.begin() as transaction:
            if len(batch) > 1:
                for job in batch:
                    job.run_beside_others(connection)
                return
            batch[0].run(connection)
            if batch[0].error is not None:
                transaction.rollback()

    def _scrub(self) -> bool:
        with self._connection_free:
            if self._closed:
                raise StoreError(CLOSED)
            return empty_log(self._engine)

    def _dispose(self) -> None:
        with self._connection_free:
            self._engine.dispose()


class Reads:
    """Runs reads one after another on a connection of their own, beside the one that writes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = anyio.CapacityLimiter(1)
        self._connection_free = threading.Lock()
        self._closed = False

    async def run(self, work: Callable[[Connection], R]) -> R:
        """Run the work on one moment of the database, which is no earlier than the call. Raises what it raises, or StoreError."""
        return await to_thread.run_sync(self._look, work, limiter=self._thread)

    async def close(self) -> None:
        """Let what has begun finish, and close the connection; idempotent."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._dispose, limiter=self._thread)

    def _look(self, work: Callable[[Connection], R]) -> R:
        """In the worker thread. The lock is for a caller that a foreign cancellation tore from its thread."""
        with self._connection_free:
            if self._closed:
                raise StoreError(CLOSED)
            with translated(), self._engine.begin() as connection:
                return work(connection)

    def _dispose(self) -> None:
        with self._connection_free:
            self._engine.dispose()
