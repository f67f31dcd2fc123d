"""How SQLite is opened here, and what its errors mean to a person."""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, PoolProxiedConnection, StaticPool, create_engine
from sqlalchemy.exc import DatabaseError, IntegrityError

from gateway.ports import StoreError

BUSY_S = 5.0
"""How long to wait for another program that writes to the database."""

LARGEST_WAL_BYTES = 64 * 1024 * 1024

_MEANINGS = {
    "SQLITE_BUSY": "Another program holds the database, and nothing was written; end it (is a second gateway running?) and try again",
    "SQLITE_LOCKED": "Another program holds the database, and nothing was written; end it (is a second gateway running?) and try again",
    "SQLITE_FULL": "The disk is full, and nothing was written; make room and try again",
    "SQLITE_CORRUPT": "The database is damaged; stop the gateway and put back a copy, or move the file away to start anew",
    "SQLITE_NOTADB": "The file is not a Tollbridge database; move it away, or put back a copy",
    "SQLITE_READONLY": "The database cannot be written; check its owner and permissions",
    "SQLITE_PERM": "The database cannot be written; check its owner and permissions",
    "SQLITE_CANTOPEN": "The database cannot be opened; check its owner, its permissions and the directory's",
    "SQLITE_IOERR": "The disk reports an error; check it and the room left on it",
    "SQLITE_CONSTRAINT": "What was to be written contradicts what is there, so nothing was; this is a fault of the program, please report it",
}


def translate(error: DatabaseError) -> StoreError:
    """What SQLite said, as a sentence that says what to do."""
    code = str(getattr(error.orig, "sqlite_errorname", ""))
    family = "_".join(code.split("_")[:2])
    meaning = _MEANINGS.get(family, "The database refused; this is a fault of the program, please report it")
    return StoreError(f"{meaning} ({code or 'SQLite'}: {error.orig})")


@contextmanager
def translated() -> Generator[None]:
    """Raise StoreError for whatever SQLite raises inside."""
    try:
        yield
    except DatabaseError as error:
        raise translate(error) from error


def writer(database: Path | None) -> Engine:
    """An engine over one connection, for one thread at a time; without a file the database lives in memory.

    Transactions begin with BEGIN IMMEDIATE and are durable once COMMIT returned. Raises StoreError.
    """

    def connect() -> sqlite3.Connection:
        where = ":memory:" if database is None else _uri(database, mode="rw")
        with ExitStack() as stack:
            connection = _connect(where)
            stack.callback(connection.close)
            _set_up(connection, in_memory=database is None)
            stack.pop_all()
        return connection

    return _engine(connect, "BEGIN IMMEDIATE")


def _set_up(connection: sqlite3.Connection, *, in_memory: bool) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal" and not in_memory:
        raise StoreError("The database cannot use a write-ahead log here: move the directory to a local disk")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")  # so that REPLACE meets the ledger's triggers too
    connection.execute(f"PRAGMA journal_size_limit = {LARGEST_WAL_BYTES}")


def reader(database: Path, *, immutable: bool) -> Engine:
    """An engine that cannot write. `immutable`: nobody has the database open, so that not even a lock file is made."""

    def connect() -> sqlite3.Connection:
        uri = _uri(database, mode="ro") + ("&immutable=1" if immutable else "")
        return _connect(uri)

    return _engine(connect, "BEGIN")


def _connect(where: str) -> sqlite3.Connection:
    return sqlite3.connect(where, timeout=BUSY_S, isolation_level=None, check_same_thread=False, uri=True)


def _uri(database: Path, *, mode: str) -> str:
    return f"file:{quote(str(database.absolute()))}?mode={mode}"


def _engine(connect: Callable[[], sqlite3.Connection], begin: str) -> Engine:
    def do_begin(dbapi_connection: PoolProxiedConnection) -> None:
        dbapi_connection.cursor().execute(begin)

    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
    # Not by an event: an engine that has one looks for listeners at every statement, which costs a quarter of its time.
    engine.dialect.do_begin = do_begin
    return engine


__all__ = ["DatabaseError", "IntegrityError", "reader", "translate", "translated", "writer"]
