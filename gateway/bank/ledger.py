"""The bank's ledger: one chain of entries for each scope, whose fold is the scope's balance, and the proof that both hold.

An entry's hash is the SHA-256 of the previous entry's hash followed by the canonical JSON (sorted keys, no spaces, ASCII) of
the columns that `HASHED` names for its version. The first entry of a scope follows sixty-four zeros. Whoever appends has the
scope's row locked, so that number, hash and balance are those of the entry before.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, func, literal_column, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.bank.schema import OPEN, entries, leases, scopes
from gateway.domain.lease import TeamBalance, TeamScope
from gateway.domain.money import Usd

GENESIS = "0" * 64
HASHED: Mapping[int, tuple[str, ...]] = {
    1: (
        *("team", "period", "seq", "at_ms", "kind", "lease_id", "gateway", "epoch", "request_id", "who", "why"),
        *("limit", "spent", "lent", "version", "previous_hash"),
    )
}
"""Which columns an entry's hash covers, by version. Old versions never change; a new column is a new version."""
VERSION = max(HASHED)
MOST_FLAWS = 100
_PAGE = 1000

_NOW = {
    "sqlite": "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
}


class Kind(StrEnum):
    """What an entry records."""

    LIMIT = "limit"
    LENT = "lent"
    RENEWED = "renewed"
    SPENT = "spent"
    EXPIRED = "expired"
    REPAID = "repaid"
    WRITTEN_OFF = "written_off"


def now_ms(connection: Connection) -> ColumnElement[int]:
    """The database's clock as a column: milliseconds since 1970."""
    return literal_column(_NOW[connection.dialect.name]).label("now_ms")


def of(scope: TeamScope, table: Any = scopes) -> ColumnElement[bool]:
    """The condition that a row belongs to the scope."""
    return and_(table.c.team == scope.team, table.c.period == scope.period)


def ensure(connection: Connection, scope: TeamScope) -> None:
    """Make the scope's row unless it is there."""
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert
    row = {"team": scope.team, "period": scope.period, "spent": 0, "lent": 0, "seq": 0, "hash": GENESIS}
    connection.execute(insert(scopes).values(row).on_conflict_do_nothing())


@dataclass(slots=True)
class Account:
    """A scope's row, locked until the transaction ends: only its holder changes it, its entries and its leases."""

    connection: Connection
    scope: TeamScope
    limit: int | None
    spent: int
    lent: int
    seq: int
    hash: str
    now_ms: int

    @property
    def balance(self) -> TeamBalance:
        """What stands against the scope now."""
        limit = None if self.limit is None else Usd(self.limit)
        return TeamBalance(self.scope, limit, Usd(self.spent), Usd(self.lent))

    def append(self, kind: Kind, lease: Mapping[str, Any] | None = None, **changes: Any) -> None:
        """Write an entry, about a lease if one is given, and what it changes: `limit`, `spent`, `lent`."""
        about = lease or {"id": "", "gateway": "", "epoch": 0}
        row: dict[str, Any] = {
            "team": self.scope.team,
            "period": self.scope.period,
            "seq": self.seq + 1,
            "at_ms": self.now_ms,
            "kind": kind.value,
            "lease_id": about["id"],
            "gateway": about["gateway"],
            "epoch": about["epoch"],
            "request_id": "",
            "who": "",
            "why": "",
            "limit": None,
            "spent": 0,
            "lent": 0,
            **changes,
            "version": VERSION,
            "previous_hash": self.hash,
        }
        row["hash"] = entry_hash(row)
        self.connection.execute(entries.insert().values(row))
        self.limit = self.limit if row["limit"] is None else row["limit"]
        self.spent += row["spent"]
        self.lent += row["lent"]
        self.seq, self.hash = row["seq"], row["hash"]
        values = {name: getattr(self, name) for name in ("limit", "spent", "lent", "seq", "hash")}
        self.connection.execute(update(scopes).where(of(self.scope)).values(values))


def lock(connection: Connection, scope: TeamScope) -> Account | None:
    """The scope's account, if it has one. Whoever comes second waits here until the first has committed."""
    query = select(scopes, now_ms(connection)).where(of(scope)).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    facts = {name: row[name] for name in ("limit", "spent", "lent", "seq", "hash", "now_ms")}
    return Account(connection, scope, **facts)


def entry_hash(row: Mapping[Any, Any]) -> str:
    """The hash of an entry, as hexadecimal; see the module's docstring. Raises KeyError for a version that there is not."""
    plain = {name: row[name] for name in HASHED[row["version"]]}
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256((row["previous_hash"] + canonical).encode()).hexdigest()


def balance_of(row: RowMapping) -> TeamBalance:
    """A scope's balance from its row."""
    limit = None if row["limit"] is None else Usd(row["limit"])
    return TeamBalance(TeamScope(row["team"], row["period"]), limit, Usd(row["spent"]), Usd(row["lent"]))


def verify(connection: Connection) -> tuple[str, ...]:
    """Walk every scope's entries: numbers, hashes, and the balance against their fold and against the scope's leases.

    At most `MOST_FLAWS` sentences. A chain that was cut off at its end is found by the scope's row, which names the last entry.
    """
    flaws: list[str] = []
    by_scope = _leases_by_scope(connection)
    for row in connection.execute(select(scopes).order_by(scopes.c.team, scopes.c.period)).mappings():
        scope = TeamScope(row["team"], row["period"])
        flaws += _flaws(connection, scope, row, by_scope.pop(scope, (0, 0)))
        if len(flaws) >= MOST_FLAWS:
            break
    flaws += [f"there are leases on {scope}, which nobody knows" for scope in sorted(by_scope)]
    return tuple(flaws[:MOST_FLAWS])


def _leases_by_scope(connection: Connection) -> dict[TeamScope, tuple[int, int]]:
    """What is spent of each scope's leases, and what is lent and not spent."""
    over = case((leases.c.lent > leases.c.spent, leases.c.lent - leases.c.spent), else_=0)
    lent = func.sum(case((text(OPEN), over), else_=0))
    query = select(leases.c.team, leases.c.period, func.sum(leases.c.spent), lent)
    found = connection.execute(query.group_by(leases.c.team, leases.c.period))
    return {TeamScope(team, period): (int(spent), int(lent)) for team, period, spent, lent in found}


def _flaws(connection: Connection, scope: TeamScope, row: RowMapping, leased: tuple[int, int]) -> Iterator[str]:
    limit: int | None = None
    seq, spent, lent, previous = 0, 0, 0, GENESIS
    for entry in _entries(connection, scope):
        if entry["seq"] != seq + 1:
            yield f"{scope}: entries are missing: {entry['seq']} follows {seq}"
        if entry["previous_hash"] != previous:
            yield f"{scope}: entry {entry['seq']} is not chained to the one before it"
        if entry["version"] not in HASHED or entry_hash(entry) != entry["hash"]:
            yield f"{scope}: entry {entry['seq']} is not what was written"
        seq, previous = entry["seq"], entry["hash"]
        limit = limit if entry["limit"] is None else entry["limit"]
        spent, lent = spent + entry["spent"], lent + entry["lent"]
    if (row["seq"], row["hash"]) != (seq, previous):
        yield f"{scope}: the last entry is not the one that the scope names"
    if (row["limit"], row["spent"], row["lent"]) != (limit, spent, lent):
        yield f"{scope}: the balance is not the sum of its entries"
    if (row["spent"], row["lent"]) != leased:
        yield f"{scope}: the balance is not the sum of its leases"


def _entries(connection: Connection, scope: TeamScope) -> Iterator[RowMapping]:
    """The scope's entries in order, a page at a time."""
    query = select(entries).where(of(scope, entries)).order_by(entries.c.seq).limit(_PAGE)
    after = 0
    while page := connection.execute(query.where(entries.c.seq > after)).mappings().all():
        yield from page
        after = page[-1]["seq"]
