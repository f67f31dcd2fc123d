"""The database of what was read in agents' logs: its form, how it is opened, and what its faults mean.

It lies in the gateway's home, apart from the ledger, so that no gateway waits for whoever reads logs.
"""

import os
import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from urllib.parse import quote

DATABASE: Final = "usage.db"
VERSION: Final = 1
_BUSY_S: Final = 5.0
SUMS: Final = (
    *("calls", "lower_bound", "unpriced", "nano", "web_searches", "input", "cache_read"),
    *("cache_write_5m", "cache_write_1h", "cache_write_unsplit", "output", "reasoning"),
)
"""What `sums` holds of each agent and model, in the order of `gateway.core.logged.changes`."""
_SCHEMA: Final = f"""
CREATE TABLE places (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, prices TEXT NOT NULL) STRICT;
CREATE TABLE files (
  place INTEGER NOT NULL REFERENCES places(id), path BLOB NOT NULL, agent TEXT NOT NULL,
  device INTEGER NOT NULL, inode INTEGER NOT NULL, seen_size INTEGER NOT NULL, seen_ns INTEGER NOT NULL,
  head TEXT NOT NULL, size INTEGER NOT NULL, offset INTEGER NOT NULL, state TEXT NOT NULL,
  records INTEGER NOT NULL, unreadable INTEGER NOT NULL, told INTEGER NOT NULL,
  PRIMARY KEY (place, path)) STRICT, WITHOUT ROWID;
CREATE TABLE calls (
  place INTEGER NOT NULL REFERENCES places(id), agent TEXT NOT NULL, id TEXT NOT NULL, session TEXT NOT NULL,
  directory TEXT NOT NULL, at_ms INTEGER NOT NULL, loop TEXT NOT NULL, lower_bound INTEGER NOT NULL, prompt TEXT NOT NULL,
  request TEXT NOT NULL, model TEXT NOT NULL, service_tier TEXT NOT NULL, speed TEXT NOT NULL, geo TEXT NOT NULL,
  web_searches INTEGER NOT NULL, {", ".join(f"{name} INTEGER NOT NULL" for name in SUMS[5:])}, nano INTEGER,
  PRIMARY KEY (place, agent, id)) STRICT, WITHOUT ROWID;
CREATE TABLE sums (
  place INTEGER NOT NULL REFERENCES places(id), agent TEXT NOT NULL, model TEXT NOT NULL,
  {", ".join(f"{name} INTEGER NOT NULL" for name in SUMS)},
  PRIMARY KEY (place, agent, model)) STRICT, WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""


class UsageError(Exception):
    """The database cannot be used; the message says why and what to do."""


def connect(database: Path) -> sqlite3.Connection:
    """Open it, and make it for its owner alone if need be. Raises UsageError, sqlite3.Error."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(database, flags, 0o600)
        os.fchmod(descriptor, 0o600)
        os.close(descriptor)
    except OSError as error:
        raise UsageError(f"{database} cannot be opened ({error.strerror}): mend its permissions") from None
    connection = sqlite3.connect(uri(database, "rw"), timeout=_BUSY_S, isolation_level=None, uri=True)
    with ExitStack() as undo:
        undo.callback(connection.close)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _upgrade(connection, database)
        undo.pop_all()
    return connection


def _upgrade(connection: sqlite3.Connection, database: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise UsageError(f"{database} was written by a newer Tollbridge: update this one, or move the file away")
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")


def uri(database: Path, mode: str) -> str:
    """Its name for SQLite; `mode`: `ro`, `rw`."""
    return f"file:{quote(str(database.absolute()))}?mode={mode}"


def meaning(database: Path, error: sqlite3.Error) -> str:
    """What a fault of SQLite's means, and what to do."""
    name = str(getattr(error, "sqlite_errorname", ""))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"{database} is held by another program: end it and try again"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return f"{database} is damaged: move it away, and everything is read again"
    if name.startswith("SQLITE_FULL"):
        return f"{database} cannot grow, the disk is full: make room and try again"
    return f"{database} cannot be used ({name or 'SQLite'}: {error})"
