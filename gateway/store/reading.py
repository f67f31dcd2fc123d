"""The database opened for looking only: for commands, beside a running gateway, without making or changing anything."""

import os
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, func, select, text

from gateway.core.charges import Charge
from gateway.domain.budget import Balance, Scope, ScopeKind
from gateway.domain.money import Usd
from gateway.domain.outcome import Left
from gateway.domain.place import Session, Thread, Unmetered
from gateway.domain.turn import Turn
from gateway.domain.usage import UNLISTED
from gateway.ports import Record, StoreError, View
from gateway.ports.hooks import Hooked
from gateway.store import charges, hooks, inbox, ledger, migrate, outcomes, posts, sqlite, turn_rows, unmetered
from gateway.store import home as homes
from gateway.store.ledger import Flaw
from gateway.store.schema import UNPRICED, balances, turns
from gateway.store.view import SqlView, all_sessions

T = TypeVar("T")

MOST_TURNS = 100_000


@dataclass(frozen=True, slots=True)
class Queues:
    """What waits: updates to be handled, and messages to be sent."""

    inbox: int
    outbox: int


class Reader:
    """One moment of the database, however long it is looked at. Every method raises StoreError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, look: Callable[[View], T]) -> T:
        """Look through the same view that decisions have."""
        return look(SqlView(self._connection))

    def report_rows(self, session_ids: Collection[str] = ()) -> tuple[tuple[Session, Turn], ...]:
        """(session, turn) of the turns, oldest first: their state, spending, tokens, calls and outcome.

        At most the latest `MOST_TURNS`; with `session_ids` those of these sessions.
        """
        query = select(turns)
        if session_ids:
            query = query.where(turns.c.session_id.in_(session_ids))
        query = query.order_by(turns.c.created_at_ms.desc(), text("rowid DESC")).limit(MOST_TURNS)
        by_id = {session.id: session for session in self.sessions()}
        found = [turn_rows.turn_of(row) for row in self._connection.execute(query).mappings()]
        return tuple((by_id[turn.session_id], turn) for turn in reversed(found))

    def sessions(self) -> tuple[Session, ...]:
        """Every session, oldest first."""
        return all_sessions(self._connection)

    def unpriced_calls(self) -> int:
        """How many calls of all turns have no known price."""
        unpriced = select(func.coalesce(func.sum(turns.c.unpriced_calls), 0)).where(text(UNPRICED))
        return self._connection.execute(unpriced).scalar_one()

    def unmetered(self) -> tuple[Unmetered, ...]:
        """Sessions that went without Tollbridge, the one that was heard of last at the end; at most the latest 1,000."""
        return unmetered.latest(self._connection)

    def unlisted(self) -> dict[str, Usd]:
        """By session what was booked when it ended because no transcript shows it; the prices that were found later included."""
        return ledger.spent_on(self._connection, UNLISTED)

    def left(self, since_ms: int, until_ms: int) -> tuple[Left, ...]:
        """What the turns left behind that were asked for in this time, oldest first; those that nobody has looked at are missing."""
        return outcomes.between(self._connection, since_ms, until_ms)

    def balances(self) -> tuple[Balance, ...]:
        """The balance of every scope that the ledger names."""
        found = self._connection.execute(select(balances).order_by(balances.c.kind, balances.c.key)).mappings()
        return tuple(ledger.balance_of(Scope(ScopeKind(row["kind"]), row["key"]), row) for row in found)

    def records(self, after: int = 0, session_id: str | None = None, turn_id: str | None = None) -> Iterator[Record]:
        """Ledger entries numbered above `after`, in order: all, or those of one session or turn."""
        return ledger.records(self._connection, after, session_id, turn_id)

    def verify(self) -> tuple[Flaw, ...]:
        """What is damaged in the file, or not as it was written in the ledger and its balances; empty: nothing."""
        said = self._connection.exec_driver_sql("PRAGMA quick_check(10)").scalars()
        damage = tuple(Flaw(None, f"the file is damaged: {line}") for line in said if line != "ok")
        return damage or ledger.verify(self._connection)

    def unsure(self) -> tuple[tuple[Thread, str, str], ...]:
        """(thread, ref, why) of the messages that may or may not have arrived, oldest first."""
        return posts.unsure(self._connection)

    def never_arrived(self, since_ms: int) -> tuple[str, ...]:
        """Why each of the messages made since then will never be there, oldest first."""
        return posts.never_arrived(self._connection, since_ms)

    def quarantined(self) -> tuple[tuple[str, str, str], ...]:
        """(service, key, why) of the updates that were put aside, oldest first."""
        return inbox.quarantined(self._connection)

    def charges(self, since_ms: int, until_ms: int, name: Callable[[str], str]) -> Iterator[Charge]:
        """What was booked from `since_ms` on and before `until_ms`, in its order. `name`: what a project is called, by its path."""
        return charges.charges(self._connection, since_ms, until_ms, name)

    def hooked(self) -> Hooked:
        """How it stands with events for the owner's webhook."""
        return hooks.hooked(self._connection)

    def queues(self) -> Queues:
        """How many updates and messages wait."""
        return Queues(inbox.waiting(self._connection), posts.waiting(self._connection))


@contextmanager
def open_readonly(home: Path) -> Generator[Reader]:
    """The database in `home` as it is now; a gateway may run meanwhile. Raises StoreError.

    With no gateway running SQLite would leave lock files behind; the file is then read as one that nobody changes, and
    that nobody did is checked at the end.
    """
    database = homes.find(home)
    immutable = not os.path.lexists(f"{database}-wal")
    before = _state(database)
    engine = sqlite.reader(database, immutable=immutable)
    try:
        with sqlite.translated(), engine.connect() as connection, connection.begin():
            migrate.check(connection)
            yield Reader(connection)
    finally:
        engine.dispose()
    if immutable and _state(database) != before:
        raise StoreError("The gateway wrote to the database while it was read: run the command again")


def _state(database: Path) -> tuple[int, int, int]:
    found = database.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
