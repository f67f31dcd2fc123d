"""What was read in agents' logs: a database of its own in the gateway's home, so that no gateway waits for whoever reads logs.

What is kept belongs to a place: what one `tollbridge scan` was asked to look at. Marks commit together with the calls that they cover, so
whatever ends a scan, the next one goes on where the figures end. Calls stay when their log is gone.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from gateway.core.logged import Priced, Row, Sums, as_sums, changes, rank
from gateway.domain.logged import Mark
from gateway.usage_database import DATABASE, SUMS, UsageError, connect, meaning, uri

EVERYWHERE: Final = b""
"""The place that is all homes of this machine: what a scan without a path looks at."""
CALLS_MAX: Final = 200_000
_COLUMNS: Final = ", ".join(Row._fields)
_KNOWN: Final = (
    f"SELECT {_COLUMNS}, nano FROM calls WHERE place = ? AND agent = ? AND id IN (SELECT value FROM json_each(?))"  # noqa: S608
)
_PUT: Final = f"INSERT OR REPLACE INTO calls (place, agent, {_COLUMNS}, nano) VALUES ({', '.join('?' * 23)})"  # noqa: S608
_MOST: Final = (1 << 63) - 1
"""SQLite's largest integer. Logs may tell of more, nine thousand million dollars: sums stay at it, and other logs can still be read."""
_ADD: Final = (
    f"INSERT INTO sums (place, agent, model, {', '.join(SUMS)}) VALUES ({', '.join('?' * 15)})"  # noqa: S608
    f" ON CONFLICT DO UPDATE SET {', '.join(f'{name} = max(-{_MOST}, min({_MOST}, {name} + excluded.{name}))' for name in SUMS)}"
)
_NAME: Final = "substr(calls.id, 1, instr(calls.id, ' ') - 1)"
_METERED: Final = f"""(EXISTS (SELECT 1 FROM gateway.entries WHERE call_id = calls.id)
  OR (calls.request != '' AND EXISTS (SELECT 1 FROM gateway.entries WHERE call_id = calls.request))
  OR (instr(calls.id, ' ') AND EXISTS (SELECT 1 FROM gateway.entries AS e JOIN gateway.sessions AS s ON s.id = e.session_id
      WHERE e.call_id = {_NAME} AND s.agent_session = calls.session)
    AND 1 = (SELECT count(*) FROM calls AS c WHERE c.place = calls.place AND c.agent = calls.agent AND c.session = calls.session
      AND c.id > {_NAME} || ' ' AND c.id < {_NAME} || '!')))"""  # noqa: S608 - made of the names above
"""Whether the ledger has a call too. Of a short name, which a relay has made up, it has the one of that name in its session: where there
are several nobody knows which.
"""
_READ: Final = (
    "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    " agent = excluded.agent, device = excluded.device, inode = excluded.inode, seen_size = excluded.seen_size,"
    " seen_ns = excluded.seen_ns, head = excluded.head, size = excluded.size, offset = excluded.offset,"
    " state = excluded.state, records = excluded.records + {more} records,"
    " unreadable = excluded.unreadable + {more} unreadable, told = excluded.told + {more} told"
)
_NUMBERS: Final = 1 << 64
Cost = Callable[[Row], int | None]


class Seen(NamedTuple):
    """A file as it was when it was read last."""

    agent: str
    device: int
    inode: int
    seen_size: int
    seen_ns: int
    head: str
    size: int
    offset: int
    state: str

    @property
    def mark(self) -> Mark:
        return Mark(self.device % _NUMBERS, self.inode % _NUMBERS, self.head, self.size, self.offset, self.state)

    def is_as_it_was(self, about: os.stat_result) -> bool:
        """Nothing was written to the file since."""
        same = (self.seen_size, self.seen_ns % _NUMBERS, self.inode % _NUMBERS, self.device % _NUMBERS)
        return same == (about.st_size, about.st_mtime_ns % _NUMBERS, about.st_ino, about.st_dev)


class Looked(NamedTuple):
    """What one look at one file gave, for the database. `anew`: it was read from its start. `told`: lines that told of calls."""

    agent: str
    path: str
    mark: Mark
    seen_size: int
    seen_ns: int
    records: int
    unreadable: int
    told: int
    anew: bool
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was read of a place. `told`: lines that told of calls, copies included."""

    files: int
    records: int
    unreadable: int
    told: int
    by_model: dict[tuple[str, str], Sums]
    """By agent and model."""


class UsageStore:
    """The database, for one place. Raises UsageError from whatever it does."""

    def __init__(self, connection: sqlite3.Connection, place: int) -> None:
        self._connection = connection
        self._place = place

    def seen(self) -> dict[str, Seen]:
        """All files that were read, by path."""
        found = self._connection.execute(
            "SELECT path, agent, device, inode, seen_size, seen_ns, head, size, offset, state FROM files WHERE place = ?",
            (self._place,),
        )
        return {os.fsdecode(path): Seen(*rest) for path, *rest in found}

    def add(self, looks: Sequence[Looked], cost: Cost) -> None:
        """Write down what was read, calls and marks in one transaction: a better copy of a call replaces the one that is known."""
        by_agent: dict[str, dict[str, Row]] = {}
        for look in looks:
            best = by_agent.setdefault(look.agent, {})
            for row in look.rows:
                known = best.setdefault(row.id, row)
                if known is not row and rank(row) > rank(known):
                    best[row.id] = row
        with self._transaction():
            for agent, best in by_agent.items():
                self._put(agent, best, cost)
            for look in looks:
                self._mark(look)

    def _put(self, agent: str, best: dict[str, Row], cost: Cost) -> None:
        gone: list[Priced] = []
        if best and self._any(agent):
            ids = _json(best)
            for *values, amount in self._connection.execute(_KNOWN, (self._place, agent, ids)).fetchall():
                known = Row._make(values)
                if rank(best[known.id]) > rank(known):
                    gone.append((known, amount))
                else:
                    del best[known.id]
        come = [(row, cost(row)) for row in best.values()]
        place = self._place
        self._connection.executemany(_PUT, [(place, agent, *row, amount) for row, amount in come])
        self._sum(agent, changes(come, gone))

    def _sum(self, agent: str, change: Mapping[str, Sequence[int]]) -> None:
        held = ((model, *(max(-_MOST, min(_MOST, count)) for count in counts)) for model, counts in change.items())
        self._connection.executemany(_ADD, [(self._place, agent, *values) for values in held])

    def _any(self, agent: str) -> bool:
        found = self._connection.execute(
            "SELECT 1 FROM calls WHERE place = ? AND agent = ? LIMIT 1", (self._place, agent)
        )
        return found.fetchone() is not None

    def _mark(self, look: Looked) -> None:
        mark = look.mark
        values = (
            *(
                self._place,
                os.fsencode(look.path),
                look.agent,
                _signed(mark.device),
                _signed(mark.inode),
                look.seen_size,
            ),
            *(
                _signed(look.seen_ns % _NUMBERS),
                mark.head,
                mark.size,
                mark.offset,
                mark.state,
                look.records,
                look.unreadable,
                look.told,
            ),
        )
        self._connection.execute(_READ.format(more="0 *" if look.anew else ""), values)

    def prices(self) -> str:
        """Where the prices come from with which the calls were priced; empty: there are none yet."""
        found = self._connection.execute("SELECT prices FROM places WHERE id = ?", (self._place,)).fetchone()
        return str(found[0])

    def reprice(self, source: str, cost: Cost) -> None:
        """Price every call of the place by these prices, and remember where they come from."""
        with self._transaction():
            agents = [
                agent
                for (agent,) in self._connection.execute(
                    "SELECT DISTINCT agent FROM sums WHERE place = ?", (self._place,)
                )
            ]
            for agent in agents:
                self._reprice(agent, cost)
            self._connection.execute("UPDATE places SET prices = ? WHERE id = ?", (source, self._place))

    def _reprice(self, agent: str, cost: Cost) -> None:
        found = self._connection.execute(
            f"SELECT {_COLUMNS}, nano FROM calls WHERE place = ? AND agent = ?",  # noqa: S608
            (self._place, agent),
        )
        come: list[Priced] = []
        gone: list[Priced] = []
        for *values, amount in found:
            row = Row._make(values)
            now = cost(row)
            if now != amount:
                gone.append((row, amount))
                come.append((row, now))
        place = self._place
        self._connection.executemany(
            "UPDATE calls SET nano = ? WHERE place = ? AND agent = ? AND id = ?",
            [(now, place, agent, row.id) for row, now in come],
        )
        self._sum(agent, changes(come, gone))

    def figures(self) -> Figures:
        """What all that was read of the place comes to."""
        counts = self._connection.execute(
            "SELECT count(*), total(records), total(unreadable), total(told) FROM files WHERE place = ?", (self._place,)
        ).fetchone()
        rows = self._connection.execute(
            f"SELECT agent, model, {', '.join(SUMS)} FROM sums WHERE place = ? AND calls ORDER BY agent, model",  # noqa: S608
            (self._place,),
        )
        files, records, unreadable, told = map(int, counts)
        return Figures(
            files, records, unreadable, told, {(agent, model): as_sums(sums) for agent, model, *sums in rows}
        )

    def agents(self) -> tuple[str, ...]:
        """Those whose calls were read."""
        found = self._connection.execute("SELECT DISTINCT agent FROM sums WHERE place = ?", (self._place,))
        return tuple(sorted(agent for (agent,) in found))

    def calls(self, agent: str, since_ms: int, limit: int = CALLS_MAX) -> Iterator[Priced]:
        """An agent's calls since then, the newest so many, session by session and in order of time within."""
        found = self._connection.execute(
            f"SELECT * FROM (SELECT {_COLUMNS}, nano FROM calls WHERE place = ? AND agent = ? AND at_ms >= ?"  # noqa: S608
            " ORDER BY at_ms DESC LIMIT ?) ORDER BY session, at_ms, id",
            (self._place, agent, since_ms, limit),
        )
        return ((Row._make(values), amount) for *values, amount in found)

    def metered(self, agent: str, database: Path) -> frozenset[str]:
        """The names of those calls that stand in the gateway's own ledger too, by their message's name or by their request's.

        `database`: the gateway's, which is only read. What counts both sources leaves these out of one.
        """
        self._connection.execute("ATTACH ? AS gateway", (uri(database, "ro"),))
        try:
            found = self._connection.execute(
                f"SELECT id FROM calls WHERE place = ? AND agent = ? AND {_METERED}",  # noqa: S608
                (self._place, agent),
            )
            return frozenset(str(name) for (name,) in found)
        finally:
            self._connection.execute("DETACH gateway")

    def unreadable(self) -> int:
        """How many records could not be understood and may have told a call."""
        query = "SELECT total(unreadable) FROM files WHERE place = ?"
        return int(self._connection.execute(query, (self._place,)).fetchone()[0])

    def sort_by_time(self) -> None:
        """Make what finds calls by their time, once: a first scan does not wait for it."""
        self._connection.execute("CREATE INDEX IF NOT EXISTS calls_at ON calls (place, at_ms)")

    def earliest_ms(self) -> int | None:
        """When the first call was made; None: there is none."""
        found = self._connection.execute("SELECT min(at_ms) FROM calls WHERE place = ?", (self._place,)).fetchone()
        return found[0]

    def latest_ms(self) -> int | None:
        """When the last call was made; None: there is none."""
        found = self._connection.execute("SELECT max(at_ms) FROM calls WHERE place = ?", (self._place,)).fetchone()
        return found[0]

    def calls_between(
        self, since_ms: int, until_ms: int, gateway: Path | None, session: str = ""
    ) -> list[tuple[str, Row, int | None, bool]]:
        """(agent, call, nano-dollars or None, whether it stands in the gateway's own ledger too) of this time, by agent and session in order.

        `gateway`: its database, which is only read; None: there is none. `session`: only sessions whose id begins so.
        """
        begins = " AND substr(session, 1, length(?)) = ?" if session else ""
        query = (
            f"SELECT {_COLUMNS}, agent, nano, {_METERED if gateway else '0'} FROM calls"  # noqa: S608
            f" WHERE place = ? AND at_ms >= ? AND at_ms < ?{begins} ORDER BY agent, session, at_ms, id"
        )
        if gateway is not None:
            idle = "" if os.path.lexists(f"{gateway}-wal") else "&immutable=1"  # leave no lock files behind
            self._connection.execute("ATTACH ? AS gateway", (uri(gateway, "ro") + idle,))
        try:
            found = self._connection.execute(
                query, (self._place, since_ms, until_ms, *([session] * 2 if session else []))
            )
            return [(agent, Row._make(values), amount, bool(both)) for *values, agent, amount, both in found]
        finally:
            if gateway is not None:
                self._connection.execute("DETACH gateway")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._connection:  # COMMIT at the end, ROLLBACK where something is raised
            self._connection.execute("BEGIN IMMEDIATE")
            yield


@contextmanager
def open_usage(home: Path, place: bytes) -> Iterator[UsageStore]:
    """The database in this home (made if need be, for its owner alone), for one place. Raises UsageError."""
    database = home / DATABASE
    try:
        connection = connect(database)
        try:
            yield UsageStore(connection, _place(connection, place))
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise UsageError(meaning(database, error)) from error


def _place(connection: sqlite3.Connection, name: bytes) -> int:
    found = connection.execute("SELECT id FROM places WHERE name = ?", (name,)).fetchone()
    if found is None:
        found = connection.execute("INSERT INTO places (name, prices) VALUES (?, '') RETURNING id", (name,)).fetchone()
    return int(found[0])


def _json(names: Iterable[str]) -> str:
    import json  # noqa: PLC0415 - a first scan knows no calls yet, and does without

    return json.dumps(list(names))


def _signed(number: int) -> int:
    """SQLite's integers have a sign; numbers of devices and inodes have none, and a file may say that it was written centuries from now."""
    return number - _NUMBERS if number >= _NUMBERS // 2 else number
