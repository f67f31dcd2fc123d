"""The bank in a SQLite file, for the gateways of one machine: how it is opened, and what its errors mean to a person."""

import os
import sqlite3
import stat
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, PoolProxiedConnection, QueuePool, create_engine
from sqlalchemy.exc import DBAPIError

from gateway.ports import BankAwayError, BankError

BUSY_S = 5.0
"""How long to wait for another program that writes to the file."""

_BUSY = "Another program holds the bank's file, and nothing was written; try again"
_MEANINGS = {
    "SQLITE_FULL": "The disk is full, and nothing was written; make room and try again",
    "SQLITE_CORRUPT": "The bank's file is damaged; put back a copy, or move it away to start anew",
    "SQLITE_NOTADB": "The file is not a bank of Tollbridge's; move it away, or put back a copy",
    "SQLITE_READONLY": "The bank's file cannot be written; check its owner and permissions",
    "SQLITE_PERM": "The bank's file cannot be written; check its owner and permissions",
    "SQLITE_CANTOPEN": "The bank's file cannot be opened; check its owner, its permissions and the directory's",
    "SQLITE_IOERR": "The disk reports an error; check it and the room left on it",
    "SQLITE_CONSTRAINT": "What was to be written contradicts what is in the bank, so nothing was",
}


def translate(error: DBAPIError) -> BankError:
    """What SQLite said, as a sentence that says what to do."""
    code = str(getattr(error.orig, "sqlite_errorname", ""))
    family = "_".join(code.split("_")[:2])
    if family in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return BankAwayError(f"{_BUSY} ({code}: {error.orig})")
    meaning = _MEANINGS.get(family, "The bank's file was refused; this is a fault of the program, please report it")
    return BankError(f"{meaning} ({code or 'SQLite'}: {error.orig})")


def engine(file: Path | None) -> Engine:
    """An engine over one connection to the file, made for this user alone if it is not there; in memory for None.

    Transactions begin with BEGIN IMMEDIATE and are durable once COMMIT returned. Raises BankError.
    """
    if file is not None:
        _prepare(file)

    def connect() -> sqlite3.Connection:
        where = ":memory:" if file is None else f"file:{quote(str(file.absolute()))}?mode=rw"
        with ExitStack() as stack:
            connection = sqlite3.connect(
                where, timeout=BUSY_S, isolation_level=None, check_same_thread=False, uri=file is not None
            )
            stack.callback(connection.close)
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal" and file is not None:
                raise BankError("The bank's file cannot use a write-ahead log here: move it to a local disk")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA recursive_triggers = ON")  # so that REPLACE meets the ledger's triggers too
            stack.pop_all()
        return connection

    def do_begin(dbapi_connection: PoolProxiedConnection) -> None:
        dbapi_connection.cursor().execute("BEGIN IMMEDIATE")

    made = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=1, max_overflow=0)
    # Not by an event: an engine that has one looks for listeners at every statement, which costs a quarter of its time.
    made.dialect.do_begin = do_begin
    return made


def _prepare(file: Path) -> None:
    try:
        if not os.path.lexists(file):
            descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
            os.close(descriptor)
        elif not stat.S_ISREG(file.lstat().st_mode):
            raise BankError(f"{file} is a link or a directory and not a file: move the bank's file itself there")
    except FileExistsError:
        return  # another gateway made it in this moment
    except FileNotFoundError:
        raise BankError(
            f"There is no directory {file.parent} for the bank's file: make it, for this user alone"
        ) from None
    except OSError as error:
        raise BankError(
            f"{file} cannot be used: {error.strerror}. Check who owns it and that it is writable"
        ) from error
