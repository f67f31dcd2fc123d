"""What turns of a time come to, out of the database as it is now: added up by SQLite, over the rows of that time alone.

By the driver and nothing else: to load SQLAlchemy takes longer than to add up a month of a million turns.
"""

import json
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from gateway.core.why import Made
from gateway.domain.money import Usd
from gateway.domain.outcome import LeftKind
from gateway.domain.place import Unmetered
from gateway.domain.results import Turned
from gateway.domain.spending import Open, Place, Portion, Source, Spent
from gateway.domain.turn import OutcomeKind, TurnState
from gateway.domain.usage import UNLISTED, Parts, Tokens, Usage
from gateway.ports import StoreError
from gateway.store import home as homes
from gateway.store import results

BUSY_S: Final = 5.0
CALLS_MAX: Final = 5_000
"""So many calls of a turn are looked at to say why it was dear."""
_BEFORE_MAX: Final = 50
_TOKENS: Final = tuple(field.name for field in fields(Tokens))
_PARTS: Final = tuple(field.name for field in fields(Parts))
_WRITTEN_BEYOND: Final = f"{UNLISTED[:-1]}{chr(ord(UNLISTED[-1]) + 1)}"
_OPEN: Final = "state IN ('queued', 'asking', 'held', 'running', 'paused')"
"""Letter for letter the condition of the index `turns_undone`."""
_OVER: Final = "t.state IN ('finished', 'failed', 'refused', 'stopped', 'interrupted', 'joined')"
# What was booked for calls that nobody could see while they were made began and ended at once: nothing can be said of what came of it.
_ENDED: Final = f"""
  CASE WHEN {_OVER} AND NOT (t.origin = 'desk' AND coalesce(t.started_at_ms = t.ended_at_ms, 0)) THEN json_extract(t.outcome, '$[0]') END"""
# As `core.results.came` has it: what git shows goes before how it ended, and where nobody looked nothing is not known.
_CAME_OF_IT: Final = f"""
  CASE coalesce(o.kind, '') WHEN '' THEN nullif({_ENDED}, 'nothing') WHEN 'unknown' THEN NULL
  ELSE CASE WHEN NOT {_OVER} THEN NULL WHEN o.kind IN ('nothing', 'error', 'cancelled') THEN o.kind ELSE 'answer' END END"""
# As `core.card.came` has it: what git shows beyond how it ended, and else that.
_LEFT: Final = f"""
  CASE WHEN NOT {_OVER} THEN NULL WHEN o.kind IN ('commits', 'rewritten', 'diff', 'tests') THEN o.kind
  ELSE coalesce({_ENDED}, 'unknown') END"""
_BOUND: Final = "instr(t.flags, '\"lower_bound\"') > 0"
_SCORED: Final = f"""t.state IN ('finished', 'failed') AND t.calls > 0 AND t.unpriced_calls = 0 AND NOT {_BOUND}
    AND json_extract(t.estimate, '$.p90') IS NOT NULL"""
_SUMS: Final = ", ".join(
    [f"total(json_extract(t.tokens, '$.{name}'))" for name in _TOKENS]
    + [f"coalesce(sum(json_extract(t.parts, '$.{name}')), 0)" for name in _PARTS]
)
_PORTIONS: Final = f"""
WITH days AS (SELECT key AS day, value AS begins, lead(value) OVER (ORDER BY key) AS ends FROM json_each(?))
SELECT t.session_id, days.day, coalesce(t.model, ''), t.person, t.origin = 'background',
  {_CAME_OF_IT}, {_LEFT},
  count(*), sum(t.calls), sum(t.unpriced_calls), sum(t.spent), sum({_BOUND}),
  sum(CASE WHEN {_SCORED} THEN 1 ELSE 0 END),
  sum(CASE WHEN {_SCORED} THEN t.spent <= json_extract(t.estimate, '$.p90') ELSE 0 END),
  min(t.created_at_ms), max(t.created_at_ms), {_SUMS}
FROM days CROSS JOIN turns AS t INDEXED BY turns_created LEFT JOIN outcomes AS o ON o.turn_id = t.id
WHERE days.ends IS NOT NULL AND t.created_at_ms >= days.begins AND t.created_at_ms < days.ends AND {results.RAN}
GROUP BY 1, 2, 3, 4, 5, 6, 7"""  # noqa: S608 - made of the names above
_LATEST: Final = f"SELECT t.created_at_ms FROM turns AS t WHERE {results.RAN} ORDER BY t.created_at_ms DESC LIMIT 1"  # noqa: S608
_DEAREST: Final = f"""
SELECT t.id, t.session_id, t.created_at_ms, coalesce(t.model, ''), t.prompt, t.forgotten_at_ms, t.spent, t.calls, t.unpriced_calls,
  {_BOUND}, t.tokens, t.parts, {_CAME_OF_IT}
FROM turns AS t INDEXED BY turns_created LEFT JOIN outcomes AS o ON o.turn_id = t.id
WHERE t.created_at_ms >= ? AND t.created_at_ms < ? AND t.spent > 0
ORDER BY t.spent DESC, t.created_at_ms LIMIT ?"""  # noqa: S608 - made of the names above
_TURNED: Final = f"""
SELECT t.id, t.session_id, CASE s.project WHEN '' THEN s.directory ELSE s.project END, s.agent, coalesce(t.model, ''), t.created_at_ms,
  t.spent, t.calls, t.unpriced_calls, {_BOUND}, {_OVER}, {_ENDED}, o.kind, o.sight, o.tests
FROM turns AS t INDEXED BY turns_created JOIN sessions AS s ON s.id = t.session_id LEFT JOIN outcomes AS o ON o.turn_id = t.id
WHERE t.created_at_ms >= ? AND t.created_at_ms < ? AND {results.RAN}
{results.IN_ORDER}"""  # noqa: S608 - made of the names above
_PLACES: Final = """
SELECT id, agent, CASE project WHEN '' THEN directory ELSE project END, title, agent_session, forgotten_at_ms IS NOT NULL
FROM sessions WHERE {} IN (SELECT value FROM json_each(?))"""
_UNLISTED: Final = """
SELECT coalesce(sum(e.spent + coalesce(p.spent, 0)), 0) FROM entries AS e
LEFT JOIN entries AS p ON p.call_id = 'reprice:' || e.seq LEFT JOIN turns AS t ON t.id = e.turn_id
WHERE e.call_id >= ? AND e.call_id < ? AND e.at_ms >= ?
  AND coalesce(t.created_at_ms, e.at_ms) >= ? AND coalesce(t.created_at_ms, e.at_ms) < ?"""
_USUAL: Final = """
SELECT model FROM turns WHERE session_id = ? AND model IS NOT NULL AND calls > 0
GROUP BY model ORDER BY count(*) DESC, model LIMIT 1"""
_CORRECTED: Final = """
SELECT s.agent, s.agent_session, coalesce(t.started_at_ms, t.created_at_ms), coalesce(t.ended_at_ms, ?) FROM sessions AS s JOIN turns AS t ON t.session_id = s.id
WHERE s.agent_session IN (SELECT value FROM json_each(?)) AND s.agent_session IS NOT NULL
  AND instr(t.flags, '"reconciled"') > 0 AND coalesce(t.ended_at_ms, ?) >= ?"""


@dataclass(frozen=True, slots=True)
class Dearest:
    """One of the turns that cost most. `prompt` is empty where its words were forgotten."""

    id: str
    place: Place
    at_ms: int
    model: str
    prompt: str
    forgotten: bool
    spent: Spent
    came_of_it: OutcomeKind | None


class Spendings:
    """One moment of the database. Raises StoreError from whatever it does."""

    def __init__(self, connection: sqlite3.Connection, database: Path) -> None:
        self._connection = connection
        self.database = database

    def earliest_ms(self) -> int | None:
        """When the first turn began; None: there is none."""
        (found,) = self._one("SELECT min(created_at_ms) FROM turns")
        return found

    def latest_ms(self) -> int | None:
        """When the last turn began that made calls; None: none did."""
        found = self._all(_LATEST)
        return found[0][0] if found else None

    def portions(self, first: date, begins: Sequence[int]) -> list[Portion]:
        """What the turns come to that began on these days. `begins`: when each begins, and when the last one is over."""
        rows = self._all(_PORTIONS, json.dumps(begins))
        places = self.places("id", {row[0] for row in rows})
        return [_portion(row, places[row[0]], first) for row in rows]

    def places(self, column: str, names: Iterable[str]) -> dict[str, Place]:
        """The sessions by their ids (`id`), or by their agents' own (`agent_session`), as far as they are known."""
        wanted = sorted(names)
        if column not in ("id", "agent_session"):
            raise ValueError(column)
        found: dict[str, Place] = {}
        for name, agent, project, title, own, forgotten in self._all(_PLACES.format(column), json.dumps(wanted)):
            found[own if column == "agent_session" else name] = Place(name, agent, project, "" if forgotten else title)
        return found

    def corrected(self, agent_sessions: Iterable[str], since_ms: int, now_ms: int) -> list[tuple[str, str, int, int]]:
        """(agent, its own id of the session, from, until) of the turns whose cost was corrected by the agent's own total.

        From when the agent began to work on it: what was called in the session while the turn waited is not in that total.
        """
        names = json.dumps(sorted(agent_sessions))
        return [tuple(row) for row in self._all(_CORRECTED, now_ms, names, now_ms, since_ms)]

    def dearest(self, since_ms: int, until_ms: int, most: int) -> list[Dearest]:
        """Turns that began in this time and cost most, the dearest first."""
        rows = self._all(_DEAREST, since_ms, until_ms, most)
        places = self.places("id", {row[1] for row in rows})
        return [_dearest(row, places[row[1]]) for row in rows]

    def turned(self, since_ms: int, until_ms: int) -> Iterator[Turned]:
        """Turns that began in this time and made calls, with what they left."""
        return results.turned(self._connection, _TURNED, since_ms, until_ms)

    def commits_due(self, now_ms: int) -> int:
        """How many commits of turns are to be looked at again by now."""
        return self._one(results.DUE, now_ms)[0]

    def calls(self, turn_id: str) -> list[Made]:
        """The first calls of a turn, in order, with what its agent's own totals held beyond them."""
        found = self._all(
            "SELECT at_ms, spent, detail FROM entries WHERE turn_id = ? AND kind = 'call' ORDER BY seq LIMIT ?",
            turn_id,
            CALLS_MAX,
        )
        return [_made(row) for row in found]

    def before(self, turn_id: str, session_id: str) -> Made | None:
        """The last call that the session's main loop made before this turn; None: nobody knows of one."""
        (first,) = self._one("SELECT min(seq) FROM entries WHERE turn_id = ? AND kind = 'call'", turn_id)
        if first is None:
            return None
        found = self._all(
            "SELECT at_ms, spent, detail FROM entries WHERE session_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
            session_id,
            first,
            _BEFORE_MAX,
        )
        made = (_made(row) for row in found if '"loop": "main"' in row[2] and '"tokens"' in row[2])
        return next(made, None)

    def usual_model(self, session_id: str) -> str:
        """The model that most turns of the session used."""
        found = self._all(_USUAL, session_id)
        return found[0][0] if found else ""

    def unlisted(self, since_ms: int, until_ms: int) -> Usd:
        """What was booked for turns of this time that no transcript shows."""
        (found,) = self._one(_UNLISTED, UNLISTED, _WRITTEN_BEYOND, since_ms, since_ms, until_ms)
        return Usd(found)

    def open(self) -> list[Open]:
        """The turns that are not over now, by their state."""
        found = self._all(f"SELECT state, count(*), sum(spent) FROM turns WHERE {_OPEN} GROUP BY state")  # noqa: S608
        return [Open(TurnState(state), turns, Usd(spent)) for state, turns, spent in found]

    def unmetered(self) -> list[Unmetered]:
        """Sessions that went without Tollbridge, the one that was heard of last at the end."""
        found = self._all("SELECT session, directory, since_ms, last_ms FROM unmetered ORDER BY last_ms, session")
        return [Unmetered(*row) for row in found]

    def names(self) -> dict[str, str]:
        """What people called themselves when they were let in, by their ids."""
        return dict(self._all("SELECT person, name FROM grants WHERE name <> ''"))

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    def _one(self, query: str, *values: object) -> tuple[Any, ...]:
        return self._connection.execute(query, values).fetchone()


@contextmanager
def open_spending(home: Path) -> Generator[Spendings]:
    """The database in `home` as it is now; a gateway may run meanwhile. Nothing is made or changed. Raises StoreError."""
    database = homes.find(home)
    waiting = database.with_name(f"{database.name}-wal").exists()
    before = _state(database)
    try:
        # As in `reading`: with no gateway running, lock files would be left behind.
        with _connect(f"{homes.uri(database, 'ro')}{'' if waiting else '&immutable=1'}") as connection:
            connection.execute("BEGIN")
            if _revision(connection) != newest():
                _explain(home)
            yield Spendings(connection, database)
            connection.execute("ROLLBACK")
    except (sqlite3.Error, KeyError, TypeError) as error:
        raise _translated(error) from error
    if not waiting and _state(database) != before:
        raise StoreError("The gateway wrote to the database while it was read: run the command again")


def newest() -> str:
    """The newest migration, by the names of their files, as `schema.HEAD` says too."""
    return max(path.stem for path in (Path(__file__).parent / "migrations" / "versions").glob("[0-9]*.py"))


@contextmanager
def _connect(where: str) -> Generator[sqlite3.Connection]:
    connection = sqlite3.connect(where, timeout=BUSY_S, isolation_level=None, uri=True)
    try:
        yield connection
    finally:
        connection.close()


def _revision(connection: sqlite3.Connection) -> str:
    tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone() if tables[0] else None
    return found[0] if found else ""


def _explain(home: Path) -> None:
    """Say what is wrong with a database that is not at this program's revision. Raises StoreError."""
    from gateway.store.reading import open_readonly  # noqa: PLC0415 - only who has the wrong version waits for it

    with open_readonly(home):
        pass


def _translated(error: Exception) -> StoreError:
    from gateway.store import sqlite  # noqa: PLC0415 - see above

    if not isinstance(error, sqlite3.Error):
        return StoreError(f"A record of the database cannot be read ({type(error).__name__}): run `tollbridge doctor`")
    return sqlite.translate(sqlite.DatabaseError("", None, error))


def _state(database: Path) -> tuple[int, int, int]:
    found = database.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _portion(row: tuple[Any, ...], place: Place, first: date) -> Portion:
    _, day, model, person, background, came_of_it, left, turns, calls, unpriced, nano, bounds = row[:12]
    scored, within, first_ms, last_ms = row[12:16]
    tokens = Tokens(*map(int, row[16 : 16 + len(_TOKENS)]))
    parts = Parts(*map(Usd, row[16 + len(_TOKENS) :]))
    return Portion(
        place,
        first + timedelta(days=day),
        model,
        person,
        Source.GATEWAY,
        Spent(Usd(nano), parts, tokens, turns, calls, unpriced, bounds),
        first_ms,
        last_ms,
        bool(background),
        None if came_of_it is None else OutcomeKind(came_of_it),
        scored,
        within,
        None if left is None else LeftKind(left),
    )


def _dearest(row: tuple[Any, ...], place: Place) -> Dearest:
    name, _, at_ms, model, prompt, forgotten, nano, calls, unpriced, bound, tokens, parts, came_of_it = row
    counts = Tokens(**{key: count for key, count in json.loads(tokens).items() if key in _TOKENS})
    made_of = Parts(**{key: Usd(amount) for key, amount in json.loads(parts).items() if key in _PARTS})
    spent = Spent(Usd(nano), made_of, counts, 1, calls, unpriced, bound)
    kind = None if came_of_it is None else OutcomeKind(came_of_it)
    gone = forgotten is not None
    return Dearest(name, place, at_ms, model, "" if gone else prompt, gone, spent, kind)


def _made(row: tuple[Any, ...]) -> Made:
    at_ms, nano, detail = row
    facts = json.loads(detail)
    tokens = Tokens(**{key: count for key, count in facts.get("tokens", {}).items() if key in _TOKENS})
    usage = Usage(
        facts.get("model", ""), tokens, speed=facts.get("speed", ""), web_searches=facts.get("web_searches", 0)
    )
    cost = None if "unpriced" in facts else Usd(nano)
    return Made(at_ms, usage, cost, facts.get("loop", "main"), facts.get("ended", True))
