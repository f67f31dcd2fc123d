"""OpenCode's database: the rows of messages that are new or changed."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from gateway.domain.logged import LogRead, Mark, Row
from gateway.usage_logs.files import open_regular
from gateway.usage_logs.opencode_messages import LARGEST_STEP, LONGEST_PATH, MESSAGE, Sessions, calls_of
from gateway.usage_logs.values import UNREADABLE, decoded, moment, text

_DATABASE: Final = "SQLite"
_LARGEST_ROW: Final = 64 << 20
_LOCKED_FOR_S: Final = 2.0
_BESIDE: Final = ("-wal", "-journal", "-shm")
# Nothing that is worked out while it is read: a view may have no end, and a column of its own can be of any size.
_TABLE: Final = "SELECT 1 FROM sqlite_master WHERE lower(name) = ? AND type = 'table' AND sql LIKE 'CREATE TABLE%'"
_STORED: Final = 0
# Newer versions keep their messages in `session_message`, and for a while in both.
_TABLES: Final = ("message", "session_message")
_STEPS: Final = "SELECT data FROM part WHERE message_id = ? AND CASE WHEN length(data) <= ? THEN instr(data, 'step-finish') END ORDER BY id"


class _Seen(msgspec.Struct):
    """How far one table was read."""

    updated: int = 0
    row: int = 0


def read_database(path: str, since: Mark | None) -> LogRead:
    """The calls of its messages that are new or changed. Raises OSError."""
    with open_regular(path) as file:
        found = os.fstat(file.fileno())
    try:
        size = found.st_size + Path(f"{path}-wal").stat().st_size
    except FileNotFoundError:
        size = found.st_size
    same = since is not None and (since.device, since.inode, since.head) == (found.st_dev, found.st_ino, _DATABASE)
    state = since.state if since is not None and same else ""
    seen = msgspec.json.decode(state, type=dict[str, _Seen]) if state else {}
    reading = _Rows(seen)
    try:
        if any(_leads_elsewhere(f"{path}{beside}") for beside in _BESIDE):
            raise sqlite3.DatabaseError("a pipe or a device stands beside it")
        with closing(_open(path)) as database:
            reading.take(database)
    except sqlite3.Error:
        reading.records += 1
        reading.unreadable += 1
    mark = Mark(found.st_dev, found.st_ino, _DATABASE, size, size, msgspec.json.encode(reading.seen).decode())
    return LogRead(
        tuple(reading.calls.values()), mark, reading.records, reading.unreadable, reading.copies, anew=not same
    )


def _leads_elsewhere(path: str) -> bool:
    """SQLite would wait for whoever writes into a pipe."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _open(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, timeout=_LOCKED_FOR_S, isolation_level=None
    )
    database.text_factory = bytes  # what is no valid UTF-8 is one unreadable message, not the end
    database.execute("PRAGMA query_only = ON")
    database.execute("PRAGMA trusted_schema = OFF")
    return database


class _Rows:
    """The calls of the rows that are new or changed."""

    def __init__(self, seen: dict[str, _Seen]) -> None:
        self.seen = seen
        self.calls: dict[str, Row] = {}
        self.records = self.unreadable = self.copies = 0
        self._parts: sqlite3.Connection | None = None
        """Where the parts of messages can be asked for."""

    def take(self, database: sqlite3.Connection) -> None:
        """All tables, as they are at one moment. Raises sqlite3.Error; what was read before is kept."""
        database.execute("BEGIN")
        columns = {table: _columns(database, table) for table in (*_TABLES, "session", "part")}
        if {"id", "message_id", "data"} <= columns["part"]:
            self._parts = database
        sessions = Sessions()
        if {"id", "parent_id", "directory"} <= columns["session"]:
            for name, parent, directory in database.execute("SELECT id, parent_id, directory FROM session"):
                sessions.known[_name(name)] = (_name(parent), _name(directory))
        usable = [table for table in _TABLES if {"id", "session_id", "data"} <= columns[table]]
        if not usable:
            raise sqlite3.DatabaseError("a database of another form")
        both = len(usable) == len(_TABLES)
        for table in usable:
            skip = " AND id NOT IN (SELECT id FROM message)" if both and table == "session_message" else ""
            self._table(database, table, sessions, skip, dated="time_updated" in columns[table])

    def _table(self, database: sqlite3.Connection, table: str, sessions: Sessions, skip: str, *, dated: bool) -> None:
        before = self.seen.get(table, _Seen())
        updated = "time_updated" if dated else "0"
        rows = database.execute(  # the names are from this file
            f"SELECT rowid, {updated}, id, session_id, CASE WHEN length(data) <= {_LARGEST_ROW} THEN data END FROM {table}"  # noqa: S608
            f" WHERE (rowid > ? OR {updated} >= ?){skip} ORDER BY rowid",
            (before.row, before.updated if dated else 1),
        )
        last = _Seen(before.updated, before.row)
        for row, changed, name, session, data in rows:
            self.records += 1
            last = _Seen(max(last.updated, moment(changed) or 0), max(last.row, row))
            self.seen[table] = last
            try:
                self._row(name, _name(session), data, sessions)
            except UNREADABLE:
                self.unreadable += 1

    def _row(self, name: object, session: str, data: object, sessions: Sessions) -> None:
        if not isinstance(data, bytes):
            raise ValueError("not a message")  # noqa: TRY004 (what a row says)
        message = decoded(MESSAGE, data)
        steps = self._steps(name) if message.tokens is not None else []
        for call in calls_of(message, steps, session, sessions):
            if call.id in self.calls:
                self.copies += 1
            else:
                self.calls[call.id] = call

    def _steps(self, name: object) -> list[bytes]:
        """The parts of a message that may be the end of a call, in their order."""
        if self._parts is None or not isinstance(name, bytes):
            return []
        found = self._parts.execute(_STEPS, (name.decode(errors="replace"), LARGEST_STEP))
        return [data for (data,) in found if isinstance(data, bytes)]


def _columns(database: sqlite3.Connection, table: str) -> set[str]:
    """Those that are stored in a table of this name; none where it is no table, or one of them is called as the number of a row is."""
    if database.execute(_TABLE, (table,)).fetchone() is None:
        return set()
    found = {_name(row[1]).lower() for row in database.execute(f"PRAGMA table_xinfo({table})") if row[6] == _STORED}
    return set() if "rowid" in found else found


def _name(value: object) -> str:
    return text(value.decode(errors="replace"), LONGEST_PATH) if isinstance(value, bytes) else ""
