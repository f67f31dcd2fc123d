"""How SQLite is opened here, and what its errors mean to a person."""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine, PoolProxiedConnection, StaticPool, create_engine
from sqlalchemy.exc import DatabaseError, IntegrityError

from gateway.ports import StoreError
from gateway.store import home as homes

BUSY_S = 5.0
"""How long to wait for another program that writes to the database."""

SCRUB_MS = 200
"""How long whoever writes waits for those who read, when the write-ahead log is to be emptied."""
OVERWRITTEN = 1
"""`user_version` of a database in which no deleted words are left."""

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
        where = ":memory:" if database is None else homes.uri(database, "rw")
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
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    connection.execute(f"PRAGMA journal_size_limit = {LARGEST_WAL_BYTES}")


def empty_log(engine: Engine) -> bool:
    """Put what the write-ahead log holds into the database, and leave nothing in it; False: somebody reads from it just now."""
    connection = driver(engine)
    connection.execute(f"PRAGMA busy_timeout = {SCRUB_MS}")
    try:
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        if error.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreError(f"What was forgotten could not be taken out of the files: {error}") from error
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")
    return not busy


def overwrite_leftovers(engine: Engine, *, fresh: bool) -> None:
    """Once for each database: what was deleted before deleting meant overwriting is taken out of its free pages.

    `fresh`: nothing was ever in it. Where there is no room for that now it is done at another start.
    """
    connection = driver(engine)
    if connection.execute("PRAGMA user_version").fetchone() != (0,):
        return
    with suppress(sqlite3.Error):
        if not fresh:
            connection.execute("VACUUM")
        connection.execute(f"PRAGMA user_version = {OVERWRITTEN}")


def driver(engine: Engine) -> sqlite3.Connection:
    """The one connection underneath, for what no transaction can do."""
    connection = engine.raw_connection().driver_connection
    if not isinstance(connection, sqlite3.Connection):
        raise StoreError("The database's driver is not SQLite's: this is a fault of the program, please report it")
    return connection


def reader(database: Path, *, immutable: bool) -> Engine:
    """An engine that cannot write. `immutable`: nobody has the database open, so that not even a lock file is made."""

    def connect() -> sqlite3.Connection:
        return _connect(homes.uri(database, "ro") + ("&immutable=1" if immutable else ""))

    return _engine(connect, "BEGIN")


def _connect(where: str) -> sqlite3.Connection:
    return sqlite3.connect(where, timeout=BUSY_S, isolation_level=None, check_same_thread=False, uri=True)


def _engine(connect: Callable[[], sqlite3.Connection], begin: str) -> Engine:
    def do_begin(dbapi_connection: PoolProxiedConnection) -> None:
        dbapi_connection.cursor().execute(begin)

    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
    # Not by an event: an engine that has one looks for listeners at every statement, which costs a quarter of its time.
    engine.dialect.do_begin = do_begin
    return engine


__all__ = ["DatabaseError", "IntegrityError", "reader", "translate", "translated", "writer"]
