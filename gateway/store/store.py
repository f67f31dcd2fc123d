"""The `Store` port on SQLite."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from anyio import CancelScope, to_thread
from sqlalchemy import Connection, Engine, delete, select

from gateway import clock
from gateway.core.forgetting import Cut
from gateway.core.imported import Imported
from gateway.domain.place import Thread
from gateway.ports import Decision, Post, Process, Receipt, Update, View
from gateway.ports.hooks import Tell
from gateway.store import forgetting, hooks, imported, inbox, loans, migrate, posts, rows, sqlite, writes
from gateway.store import home as homes
from gateway.store.commits import Commits, Reads
from gateway.store.schema import processes
from gateway.store.view import SqlView

T = TypeVar("T")


@asynccontextmanager
async def open_store(
    home: Path | None, now_ms: Callable[[], int] = clock.now_ms, tell: Tell | None = None
) -> AsyncGenerator["SqliteStore"]:
    """The store in the directory `home`; in memory for None. Closed at the end.

    `now_ms` is the clock, `tell` what the owner's webhook is told of turns (None: there is none). What was being sent when the gateway last stopped becomes uncertain. The caller has made the
    directory, and sees to it that one gateway at a time opens it (`gateway.lock.hold` does both). Raises StoreError.
    """
    opened: list[tuple[Engine, int]] = []
    with CancelScope(shield=True):
        opened.append(await to_thread.run_sync(_open, home, now_ms()))
    [(engine, left)] = opened
    commits = Commits(engine)
    reads = commits if home is None else Reads(sqlite.reader(home / homes.DATABASE, immutable=False))
    try:
        yield SqliteStore(commits, reads, now_ms, left, tell)
    finally:
        await reads.close()
        await commits.close()


def _open(home: Path | None, now_ms: int) -> tuple[Engine, int]:
    """The engine, and the number of the last update that an earlier gateway has taken."""
    engine = sqlite.writer(None if home is None else homes.prepare(home))
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        with sqlite.translated(), engine.begin() as connection:
            fresh = migrate.revision(connection) is None
            migrate.upgrade(connection)
            posts.recover(connection, now_ms)
            _prune(connection, now_ms)
            left = inbox.last(connection)
        if home is not None:
            sqlite.overwrite_leftovers(engine, fresh=fresh)
        stack.pop_all()
    return engine, left


def _prune(connection: Connection, now_ms: int) -> None:
    inbox.prune(connection, now_ms)
    posts.prune(connection, now_ms)
    writes.prune(connection, now_ms)
    loans.prune(connection, now_ms)
    hooks.prune(connection, now_ms)


class SqliteStore:
    """The gateway's own state; see `gateway.ports.Store`."""

    def __init__(
        self,
        commits: Commits,
        reads: Commits | Reads,
        now_ms: Callable[[], int],
        left: int = 0,
        tell: Tell | None = None,
    ) -> None:
        self._commits = commits
        self._reads = reads
        self._now_ms = now_ms
        self._left = left
        self._pruned_at_ms = now_ms()
        self._tell = tell
        self.hooks = hooks.HooksOut(commits, reads)
        """Events for the owner's webhook."""

    async def transact(self, decide: Callable[[View], Decision[T]], now_ms: int) -> Decision[T]:
        """See the port. `decide` runs in a worker thread, at most once; what it raises is raised here, and nothing is kept."""

        def work(connection: Connection) -> tuple[Decision[T], bool]:
            decision = _look(connection, decide)
            ended = hooks.before(connection, decision.put) if self._tell is not None else {}
            writes.write(connection, decision, now_ms)
            told = self._tell is not None and hooks.write(connection, ended, self._tell, now_ms)
            return decision, told

        decision, told = await self._commits.run(work)
        if told:
            self.hooks.wake()
        return decision

    async def read(self, look: Callable[[View], T]) -> T:
        return await self._reads.run(lambda connection: _look(connection, look))

    async def accept(self, service: str, updates: Sequence[tuple[str, str]], now_ms: int) -> tuple[str, ...]:
        def work(connection: Connection) -> tuple[str, ...]:
            if now_ms - self._pruned_at_ms >= inbox.DAY_MS:
                self._pruned_at_ms = now_ms
                _prune(connection, now_ms)
            found = (Update(service, key, payload, 0) for key, payload in updates)
            return tuple(one.key for one in found if inbox.accept(connection, one, now_ms))

        return await self._commits.run(work)

    async def inbox(self, limit: int) -> tuple[Update, ...]:
        return await self._reads.run(lambda connection: inbox.look(connection, limit, self._left))

    async def take_up(self, updates: Sequence[Update]) -> None:
        await self._commits.run(lambda connection: inbox.take_up(connection, updates))

    async def quarantine(self, update: Update, why: str) -> None:
        await self._commits.run(lambda connection: inbox.quarantine(connection, update, why))

    async def outbox(self, service: str, limit: int, now_ms: int) -> tuple[Post, ...]:
        return await self._reads.run(lambda connection: posts.due(connection, service, limit, now_ms))

    async def delayed_ms(self, service: str, now_ms: int) -> int | None:
        return await self._reads.run(lambda connection: posts.delayed_ms(connection, service, now_ms))

    async def sending(self, post: Post) -> bool:
        """See the port. Raises StoreError if the message went out before."""
        return await self._commits.run(lambda connection: posts.sending(connection, post, self._now_ms()))

    async def receipted(self, post: Post, receipt: Receipt) -> Receipt:
        return await self._commits.run(lambda connection: posts.receipted(connection, post, receipt, self._now_ms()))

    async def requeue(self, ref: str) -> bool:
        """See the port. A message is repeated three times at most."""
        return await self._commits.run(lambda connection: posts.requeue(connection, ref))

    async def let_go(self, ref: str) -> None:
        await self._commits.run(lambda connection: posts.let_go(connection, ref))

    async def unsure(self) -> tuple[tuple[Thread, str, str], ...]:
        return await self._reads.run(posts.unsure)

    async def cut(self, before_ms: int, now_ms: int) -> Cut:
        return await self._commits.run(lambda connection: forgetting.cut(connection, before_ms, now_ms))

    async def import_turns(self, turns: Sequence[Imported]) -> None:
        await self._commits.run(lambda connection: imported.keep(connection, turns))

    async def scrub(self) -> bool:
        return await self._commits.scrub()

    async def processes(self) -> tuple[Process, ...]:
        def work(connection: Connection) -> tuple[Process, ...]:
            return tuple(rows.process_of(row) for row in connection.execute(select(processes)).mappings())

        return await self._reads.run(work)

    async def forget_process(self, session_id: str) -> None:
        gone = delete(processes).where(processes.c.session_id == session_id)
        await self._commits.run(lambda connection: connection.execute(gone).rowcount)


def _look(connection: Connection, look: Callable[[View], T]) -> T:
    view = SqlView(connection)
    try:
        return look(view)
    finally:
        view.close()
