"""What SQLAlchemy sent to a database, written down, and sent again by the bare driver in one thread, with the same commits."""

import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from gateway.store import prepared


@dataclass(slots=True)
class Transaction:
    """One transaction as it was sent: (statement, parameters, whether these are many), without COMMIT.

    BEGIN is among them where it is sent like a statement, and is not where the engine's dialect knows how to begin.
    """

    kind: str
    statements: list[tuple[str, Any, bool]] = field(default_factory=list)


class Recorder:
    """Writes down every transaction that was committed. `kind` names those to come."""

    def __init__(self) -> None:
        self.kind = ""
        self.transactions: list[Transaction] = []
        self._open = Transaction("")

    def sent(
        self,
        _connection: Connection,
        _cursor: object,
        statement: str,
        parameters: Any,
        _context: object,
        many: bool,  # noqa: FBT001 - SQLAlchemy's event
    ) -> None:
        """A statement is about to go out."""
        self._open.statements.append((statement, parameters, many))

    def committed(self, _connection: Connection) -> None:
        """The transaction is over."""
        self._open.kind = self.kind
        self.transactions.append(self._open)
        self._open = Transaction("")

    def rolled_back(self, _connection: Connection) -> None:
        """Nothing of it was kept."""
        self._open = Transaction("")


@contextmanager
def recording() -> Generator[Recorder]:
    """Record what any engine of this process sends inside the block, by itself or past it as prepared statements."""
    recorder, run = Recorder(), prepared.run

    def past_it(connection: Connection, sql: str, given: Any = ()) -> sqlite3.Cursor:
        recorder.sent(connection, None, sql, given, None, many=False)
        return run(connection, sql, given)

    heard = (
        ("before_cursor_execute", recorder.sent),
        ("commit", recorder.committed),
        ("rollback", recorder.rolled_back),
    )
    for name, listener in heard:
        event.listen(Engine, name, listener)
    prepared.run = past_it
    try:
        yield recorder
    finally:
        prepared.run = run
        for name, listener in heard:
            event.remove(Engine, name, listener)


@dataclass(slots=True)
class Replayed:
    """Seconds of each transaction, by kind, and of each COMMIT among that."""

    times: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    commits: list[float] = field(default_factory=list)


def replay(engine: Engine, transactions: Iterable[Transaction]) -> Replayed:
    """Send them again over the engine's own connection, without the engine.

    The connection was opened by the gateway's code, so its pragmas are the gateway's. What a statement returns is read.
    """
    found = Replayed()
    pooled = engine.raw_connection()
    connection: Any = pooled.driver_connection
    cursor = connection.cursor()
    try:
        for transaction in transactions:
            began = time.perf_counter()
            engine.dialect.do_begin(pooled)
            for statement, parameters, many in transaction.statements:
                (cursor.executemany if many else cursor.execute)(statement, parameters)
                if cursor.description is not None:
                    cursor.fetchall()
            written = time.perf_counter()
            connection.commit()
            over = time.perf_counter()
            found.times[transaction.kind].append(over - began)
            found.commits.append(over - written)
    finally:
        cursor.close()
        pooled.close()
        engine.dispose()
    return found


def statements(transactions: Sequence[Transaction]) -> dict[str, float]:
    """How many statements a transaction of each kind has on average between BEGIN and COMMIT."""
    number = Counter(transaction.kind for transaction in transactions)
    sent: Counter[str] = Counter()
    for transaction in transactions:
        sent[transaction.kind] += sum(not sql.startswith("BEGIN") for sql, _, _ in transaction.statements)
    return {kind: sent[kind] / number[kind] for kind in number}


ORDERED = {
    "entries": {"seq", "previous_hash", "hash"},
    "outbox": {"id"},
}
"""Columns that say in which order rows were written."""


def rows(database: Path, *, ordered: bool) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of a SQLite file; unless `ordered`, without what says in which order they were written."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        listed = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        found: dict[str, list[tuple[Any, ...]]] = {}
        for (table,) in listed.fetchall():
            names = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
            kept = [f'"{name}"' for name in names if ordered or name not in ORDERED.get(table, set())]
            query = f'SELECT {", ".join(kept)} FROM "{table}"'  # noqa: S608 - names of the schema
            found[table] = sorted(connection.execute(query).fetchall(), key=repr)
        return found
    finally:
        connection.close()
