"""A ledger with a past: the rows that one real turn left, again under other names, in bulk, with hashes that chain.

A synthetic past: every turn is like the first but for its names and its amounts. What makes it a true one is that nothing can be
told apart by the gateway: numbers, hashes and balances fit, and `verify` finds no flaw.
"""

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import anyio

from benchmarks import turns
from gateway import lock
from gateway.core import scopes
from gateway.domain.place import Session
from gateway.ports import Decision
from gateway.store import home as homes
from gateway.store import ledger, open_store, rows, schema, sqlite

DAY_MS = 86_400_000
HISTORY = 300
"""How many turns a person's forecast looks at: with so many in the past a verdict costs what it will ever cost."""
TURNS_A_SESSION = 50
TURNS_A_DAY = 200
ENTRIES_A_TURN = 3
_PAGE = 20_000
Row = dict[str, Any]
SUMS = tuple(
    column.name
    for column in schema.balances.columns
    if column.name in schema.entries.columns and not column.nullable and not column.primary_key
)
"""What a balance adds up of its entries."""


@dataclass(frozen=True, slots=True)
class Template:
    """The rows of one turn, as the store wrote them: its session, the turn, and its entries (hold, call, settled)."""

    session: Row
    turn: Row
    entries: tuple[Row, ...]


async def template(home: Path) -> Template:
    """Run one turn in a new store."""
    lock.make_home(home)
    place = turns.session("template", "template")
    async with open_store(home, lambda: turns.NOW_MS) as store:
        world = turns.world_over(store)
        await world.commit(lambda _view: Decision(None, put=(place,)))
        new = turns.turn(place, 0)
        await world.commit(turns.hold(world, new))
        await world.commit(turns.hand_over(world, new.id))
        await world.commit(turns.call(world, new.id))
        await world.commit(turns.settle(world, new))
    connection = sqlite3.connect(home / homes.DATABASE)
    connection.row_factory = sqlite3.Row
    try:
        one, two, *entries = (
            dict(row)
            for query in ("sessions", "turns", "entries ORDER BY seq")
            for row in connection.execute(f"SELECT * FROM {query}")  # noqa: S608 - the three names above
        )
    finally:
        connection.close()
    return Template(one, two, tuple(entries))


@dataclass(slots=True)
class Ledger:
    """The database of a home, grown in bulk. `persons` have `history` turns each, which come first; the rest is other people's."""

    home: Path
    template: Template
    persons: tuple[str, ...]
    history: int
    entries: int = 0
    """How many entries there are by now."""
    _turns: int = 0
    _dice: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - a run is repeatable

    def grow(self, until: int) -> None:
        """Fill up to so many entries (the last turn may go a little beyond)."""
        engine = sqlite.writer(homes.prepare(self.home))
        pooled = engine.raw_connection()
        connection: Any = pooled.driver_connection
        try:
            last = connection.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
            self.entries, previous = last or (0, ledger.GENESIS)
            while self.entries < until:
                number = min(_PAGE, until - self.entries + ENTRIES_A_TURN - 1) // ENTRIES_A_TURN
                previous = self._page(connection, number, previous)
        finally:
            pooled.close()
            engine.dispose()

    def _page(self, connection: sqlite3.Connection, number: int, previous: str) -> str:
        sessions: dict[str, Row] = {}
        made: list[Row] = []
        entries: list[Row] = []
        balances: dict[tuple[str, str], Counter[str]] = {}
        for _ in range(number):
            place, day = self._next()
            sessions.setdefault(place.id, rows.session_row(place))
            counted = scopes.of_turn(place, place.owner, day)
            at_ms = turns.NOW_MS - (turns.TODAY - day).days * DAY_MS
            turn_row, its = self._turn(place, rows.scopes_json(counted), at_ms)
            made.append(turn_row)
            for row in its:
                self.entries += 1
                row |= {"seq": self.entries, "previous_hash": previous}
                previous = row["hash"] = ledger.entry_hash(row)
                entries.append(row)
            for scope in counted:
                balance = balances.setdefault((scope.kind, scope.key), Counter())
                for row in its:
                    balance.update({name: row[name] for name in SUMS})
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            _insert(connection, "INSERT OR IGNORE", "sessions", sessions.values())
            _insert(connection, "INSERT", "turns", made)
            _insert(connection, "INSERT", "entries", entries)
            added = ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)
            _insert(
                connection,
                "INSERT",
                "balances",
                [{"kind": kind, "key": key, **dict(sums)} for (kind, key), sums in balances.items()],
                f"ON CONFLICT (kind, key) DO UPDATE SET {added}",
            )
        return previous

    def _next(self) -> tuple[Session, date]:
        """Whose turn it is, and on which day it was."""
        number, self._turns = self._turns, self._turns + 1
        person, place = divmod(number, self.history)
        name = self.persons[person] if person < len(self.persons) else f"other{person % 97}"
        made = turns.session(f"past{person}-{place // TURNS_A_SESSION}", name)
        return made, turns.TODAY - timedelta(days=1 + number // TURNS_A_DAY % 365)

    def _turn(self, place: Session, counted: str, at_ms: int) -> tuple[Row, list[Row]]:
        held = self.template.turn["hold"]
        spent = self._dice.randint(held // 10, held)
        amounts = {"hold": (0, held), "call": (spent, -spent), "settled": (0, spent - held)}
        named = {"session_id": place.id, "turn_id": f"t_past{self._turns}", "who": place.owner, "scopes": counted}
        its = [
            {**row, **named, "at_ms": at_ms, "spent": amounts[row["kind"]][0], "held": amounts[row["kind"]][1]}
            for row in self.template.entries
        ]
        for row in its:
            row["call_id"] = row["call_id"] and f"call-{named['turn_id']}"
            if row["kind"] == "settled":
                row["detail"] = json.dumps({"overdraft": 0, "spent": spent}, sort_keys=True)
        made = {
            **self.template.turn,
            "id": named["turn_id"],
            "session_id": place.id,
            "person": place.owner,
            "scopes": counted,
            "prompt_uuid": f"uuid-{named['turn_id']}",
            "spent": spent,
            "created_at_ms": at_ms,
            "started_at_ms": at_ms,
            "ended_at_ms": at_ms,
        }
        return made, its


def _insert(connection: sqlite3.Connection, verb: str, table: str, made: Iterable[Row], end: str = "") -> None:
    listed = list(made)
    names = ", ".join(f'"{name}"' for name in listed[0])
    marks = ", ".join(f":{name}" for name in listed[0])
    connection.executemany(f"{verb} INTO {table} ({names}) VALUES ({marks}) {end}", listed)


def sums_fit(database: Path) -> bool:
    """Whether every balance is the sum of its entries, added up by the database itself."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    query = """
        SELECT json_extract(scope.value, '$[0]'), json_extract(scope.value, '$[1]'), sum(spent), sum(held)
        FROM entries, json_each(entries.scopes) AS scope GROUP BY 1, 2 ORDER BY 1, 2"""
    try:
        folded = connection.execute(query).fetchall()
        kept = connection.execute('SELECT kind, "key", spent, held FROM balances ORDER BY 1, 2').fetchall()
    finally:
        connection.close()
    return folded == kept


def prepare(directory: Path, persons: tuple[str, ...], history: int = HISTORY) -> Ledger:
    """An empty ledger in a new home below the directory."""

    async def empty(home: Path) -> None:
        async with open_store(lock.make_home(home), lambda: turns.NOW_MS):
            pass

    made = anyio.run(template, directory / "template")
    home = directory / "filled"
    anyio.run(empty, home)
    return Ledger(home, made, persons, history)
