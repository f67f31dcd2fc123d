"""OpenCode's messages: rows of `opencode*.db`, and the tree `storage/message/<session>/<message>.json` of versions before it.

Forms: anomalyco/opencode, packages/opencode/src/session (`MessageV2.Assistant`, `message`, `session_message`) and storage/json-migration.ts.
When a session is forked its messages are copied under new ids, and both trees may hold the same message: so a call's id comes from what
is told of it (when, which model, how many tokens), not from the row. The recorded cost is OpenCode's own guess and is not used.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.domain.logged import LoggedCall, LogRead, Mark
from gateway.domain.usage import MAIN_LOOP, Tokens, Usage
from gateway.usage_logs.lines import (
    MOST_TOKENS,
    UNREADABLE,
    below,
    count,
    decoded,
    moment,
    open_regular,
    read_exactly,
    text,
    whole_file,
)

_DATABASE: Final = "SQLite"
_LONGEST_PATH: Final = 4096
_LARGEST_ROW: Final = 64 << 20
_LARGEST_STEP: Final = 4096
_LOCKED_FOR_S: Final = 2.0
_DEEPEST: Final = 16  # of sessions that sessions started
# Whose models are named as their vendors name them, so that the vendor's list price holds; a model of any other is priced under its
# provider's name or not at all: what runs on one's own machine has no list price.
_LISTED: Final = frozenset(
    {
        "", "amazon-bedrock", "anthropic", "azure", "deepseek", "github-copilot", "google", "google-vertex", "google-vertex-anthropic",
        "mistral", "moonshotai", "openai", "opencode", "openrouter", "xai", "zai",
    }
)  # fmt: skip
# Newer versions keep their messages in `session_message`, and for a while in both.
_TABLES: Final = ("message", "session_message")


class _Cache(msgspec.Struct):
    read: Any = None
    write: Any = None


class _Tokens(msgspec.Struct):
    input: Any = None
    output: Any = None
    reasoning: Any = None
    total: Any = None
    cache: _Cache | None = None


class _Time(msgspec.Struct):
    created: Any = None


class _Place(msgspec.Struct):
    cwd: Any = None


class _Message(msgspec.Struct):
    session: Any = msgspec.field(name="sessionID", default=None)
    parent: Any = msgspec.field(name="parentID", default=None)
    model: Any = msgspec.field(name="modelID", default=None)
    provider: Any = msgspec.field(name="providerID", default=None)
    newer_model: Any = msgspec.field(name="model", default=None)
    time: _Time | None = None
    path: _Place | None = None
    tokens: _Tokens | None = None


class _Step(msgspec.Struct):
    """A part of a message in the legacy tree: the end of a call, among others."""

    type: Any = None
    tokens: _Tokens | None = None


class _Info(msgspec.Struct):
    """What a session says of itself in the legacy tree."""

    parent: Any = msgspec.field(name="parentID", default=None)
    directory: Any = None


class _Seen(msgspec.Struct):
    """How far one table was read."""

    updated: int = 0
    row: int = 0


class OpenCodeLog:
    """Port `UsageLog` for OpenCode."""

    agent = "opencode"

    def homes(self, environ: Mapping[str, str], home: str) -> tuple[str, ...]:
        """`OPENCODE_DATA_DIR`, or `opencode` among the user's data."""
        if told := environ.get("OPENCODE_DATA_DIR"):
            return (told,)
        return (str(Path(environ.get("XDG_DATA_HOME") or Path(home, ".local", "share"), "opencode")),)

    def owns(self, place: str) -> bool:
        """A folder with its database or its messages; one of these."""
        where = Path(place).absolute()
        if where.is_file():
            return _is_database(where) or _is_message(str(where.parent), where.name)
        return any(True for _ in self.files(place))

    def files(self, place: str) -> Iterator[str]:
        """Databases of the folder itself, and messages of the legacy tree at any depth."""
        where = Path(place).absolute()
        if where.is_file():
            yield place
            return
        yield from (str(found) for found in sorted(where.glob("opencode*.db")) if _is_database(found))
        storage = where / "storage"
        yield from below(str(storage if storage.is_dir() else where), _is_message)

    def read(self, path: str, since: Mark | None) -> LogRead:
        """See the port. A database is asked for rows that are new or changed since; where it is locked or of another form that is one
        unreadable record, and it is asked again the next time. Its size is that of the file with its write-ahead log.
        """
        if path.endswith(".db"):
            return _read_database(path, since)
        data, mark = whole_file(path, since)
        if data is None:
            return LogRead((), mark, 0, 0, 0)
        try:
            message = decoded(_MESSAGE, data)
            session, sessions = text(message.session) or text(Path(path).parent.name), _Sessions(path)
            told = (_call(step, session, sessions) for step in (*_earlier(message, path), message))
            calls = tuple(call for call in told if call is not None)
        except UNREADABLE:
            return LogRead((), mark, 1, 1, 0)
        return LogRead(calls, mark, 1, 0, 0)


class _Sessions:
    """Where sessions work, and which one started them."""

    def __init__(self, path: str = "") -> None:
        self._of_path = path.rpartition(f"{os.sep}message{os.sep}")[0]
        self.known: dict[str, tuple[str, str]] = {}

    def told(self, session: str) -> tuple[str, str]:
        """The parent (empty: none) and the directory."""
        if session not in self.known and self._of_path:
            self.known[session] = self._legacy(session)
        return self.known.get(session, ("", ""))

    def root(self, session: str) -> str:
        """The session that a person sees."""
        for _ in range(_DEEPEST):
            parent, _ = self.told(session)
            if not parent:
                break
            session = parent
        return session

    def _legacy(self, session: str) -> tuple[str, str]:
        if not session or Path(session).name != session:
            return "", ""
        try:
            for folder in sorted(Path(self._of_path, "session").iterdir()):
                found = folder / f"{session}.json"
                if found.is_file():
                    with open_regular(str(found)) as file:
                        info = _INFO.decode(read_exactly(file, 1 << 20))
                    return text(info.parent), text(info.directory, _LONGEST_PATH)
        except (OSError, *UNREADABLE):
            pass
        return "", ""


def _read_database(path: str, since: Mark | None) -> LogRead:
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
        with closing(_open(path)) as database:
            reading.take(database)
    except sqlite3.Error:
        reading.records += 1
        reading.unreadable += 1
    mark = Mark(found.st_dev, found.st_ino, _DATABASE, size, size, msgspec.json.encode(reading.seen).decode())
    return LogRead(tuple(reading.calls.values()), mark, reading.records, reading.unreadable, reading.copies)


def _open(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, timeout=_LOCKED_FOR_S, isolation_level=None
    )
    database.text_factory = bytes  # what is no valid UTF-8 is one unreadable message, not the end
    database.execute("PRAGMA query_only = ON")
    return database


class _Rows:
    """The calls of the rows that are new or changed."""

    def __init__(self, seen: dict[str, _Seen]) -> None:
        self.seen = seen
        self.calls: dict[str, LoggedCall] = {}
        self.records = self.unreadable = self.copies = 0

    def take(self, database: sqlite3.Connection) -> None:
        """All tables, as they are at one moment. Raises sqlite3.Error; what was read before is kept."""
        database.execute("BEGIN")
        columns = {table: _columns(database, table) for table in (*_TABLES, "session")}
        sessions = _Sessions()
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

    def _table(self, database: sqlite3.Connection, table: str, sessions: _Sessions, skip: str, *, dated: bool) -> None:
        before = self.seen.get(table, _Seen())
        updated = "time_updated" if dated else "0"
        rows = database.execute(  # the names are from this file
            f"SELECT rowid, {updated}, session_id, CASE WHEN length(data) <= {_LARGEST_ROW} THEN data END FROM {table}"  # noqa: S608
            f" WHERE (rowid > ? OR {updated} >= ?){skip} ORDER BY rowid",
            (before.row, before.updated if dated else 1),
        )
        last = _Seen(before.updated, before.row)
        for row, changed, session, data in rows:
            self.records += 1
            last = _Seen(max(last.updated, moment(changed) or 0), max(last.row, row))
            self.seen[table] = last
            try:
                self._row(_name(session), data, sessions)
            except UNREADABLE:
                self.unreadable += 1

    def _row(self, session: str, data: object, sessions: _Sessions) -> None:
        if not isinstance(data, bytes):
            raise ValueError("not a message")  # noqa: TRY004 (what a row says)
        call = _call(decoded(_MESSAGE, data), session, sessions)
        if call is None:
            return
        if call.id in self.calls:
            self.copies += 1
        else:
            self.calls[call.id] = call


def _columns(database: sqlite3.Connection, table: str) -> set[str]:
    return {_name(row[1]) for row in database.execute(f"PRAGMA table_info({table})")}


def _name(value: object) -> str:
    return text(value.decode(errors="replace"), _LONGEST_PATH) if isinstance(value, bytes) else ""


def _call(message: _Message, session: str, sessions: _Sessions) -> LoggedCall | None:
    """The call that a message tells, None for what is none. Raises ValueError."""
    if message.tokens is None:
        return None
    counts = _counts(message.tokens)
    tokens = _tokens(counts)
    if not tokens:
        return None
    at_ms = moment(message.time.created) if message.time is not None else None
    if at_ms is None:
        raise ValueError("nobody knows when")
    newer = message.newer_model if isinstance(message.newer_model, dict) else {}
    provider = text(message.provider) or text(newer.get("providerID"))
    model = text(message.model) or text(newer.get("id")) or text(newer.get("modelID"))
    parent, directory = sessions.told(session)
    return LoggedCall(
        f"{at_ms}/{provider}/{model}/{'.'.join(map(str, counts[:-1]))}",
        sessions.root(session),
        directory or (text(message.path.cwd, _LONGEST_PATH) if message.path is not None else ""),
        at_ms,
        Usage(_model(provider, model), tokens),
        session if parent else MAIN_LOOP,
        prompt=text(message.parent),
    )


def _earlier(message: _Message, path: str) -> list[_Message]:
    """A message of the legacy tree may hold several calls and tell the tokens of the last one: the others, from its parts beside it."""
    if message.tokens is None:
        return []
    steps: list[_Message] = []
    storage = path.rpartition(f"{os.sep}message{os.sep}")[0]
    try:
        for part in sorted(Path(storage, "part", Path(path).stem).iterdir()):
            if part.stat().st_size > _LARGEST_STEP:  # a tool's result, not the end of a step
                continue
            with open_regular(str(part)) as file:
                step = _STEP.decode(read_exactly(file, _LARGEST_STEP))
            if step.type == "step-finish" and step.tokens is not None:
                steps.append(msgspec.structs.replace(message, tokens=step.tokens))
    except (OSError, *UNREADABLE):
        return []
    told = [_counts(step.tokens) for step in steps if step.tokens is not None]
    return steps[:-1] if told and told[-1] == _counts(message.tokens) else []


def _counts(told: _Tokens) -> tuple[int, int, int, int, int, int]:
    """Input, read from the cache, written to it, output, reasoning, total. Raises ValueError."""
    cache = told.cache or _Cache()
    classes = (count(told.input), count(cache.read), count(cache.write), count(told.output), count(told.reasoning))
    return (*classes, count(told.total, len(classes) * MOST_TOKENS))


def _tokens(counts: tuple[int, int, int, int, int, int]) -> Tokens:
    """Input excludes the cache. Reasoning stands beside the output, or in older versions within it: the total tells."""
    given, read, written, output, reasoning, total = counts
    # Some providers' totals leave the cache out.
    without = {given + output, given + read + written + output}
    beside = {reasoning + inside for inside in without}
    within = 0 < reasoning <= output and total in without and total not in beside
    return Tokens(
        input=given,
        cache_read=read,
        cache_write_unsplit=written,
        output=output if within else output + reasoning,
        reasoning=reasoning,
    )


def _model(provider: str, model: str) -> str:
    """The name to price it by: as its vendor names it, with the provider's before it where that sets the price."""
    model = model.removeprefix("openrouter/")
    if provider in _LISTED:
        return model.removeprefix(f"{provider}/") if provider in {"anthropic", "openai"} else model
    return f"{provider}/{model}" if model else ""


def _is_database(found: Path) -> bool:
    return found.name.startswith("opencode") and found.name.endswith(".db") and found.is_file()


def _is_message(folder: str, name: str) -> bool:
    return name.endswith(".json") and Path(folder).parent.name == "message"


_MESSAGE: Final = msgspec.json.Decoder(_Message)
_INFO: Final = msgspec.json.Decoder(_Info)
_STEP: Final = msgspec.json.Decoder(_Step)
OPENCODE: Final = OpenCodeLog()
