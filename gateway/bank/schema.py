"""The bank's tables, the same in SQLite and in PostgreSQL. `migrations/` makes them, and a test holds the two together.

Money is integer nano-dollars, time milliseconds since 1970 on the database's own clock. The names begin with `tollbridge_`,
because a team's database may hold other tables.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, text

HEAD = "0001_bank"
"""The newest migration: a database at this revision needs no Alembic to open."""
VERSION_TABLE = "tollbridge_bank_version"
PREFIX = "tollbridge_"

# Conditions of partial indexes: a query uses the index only when it says the same, letter for letter.
OPEN = "state IN ('live', 'expired')"

metadata = MetaData()


def _table(name: str, *parts: Any) -> Table:
    return Table(PREFIX + name, metadata, *parts, sqlite_strict=True)


def _words(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, nullable=False, primary_key=key)


def _number(name: str, *, null: bool = False, key: bool = False) -> Column[int]:
    kind = BigInteger().with_variant(Integer(), "sqlite")  # strict tables know no BIGINT; SQLite's INTEGER has 64 bits
    return Column(name, kind, nullable=null, primary_key=key, autoincrement=False)


scopes = _table(
    "scopes",
    _words("team", key=True),
    _words("period", key=True),
    _number("limit", null=True),
    _number("spent"),
    _number("lent"),
    _number("seq"),
    _words("hash"),
)

leases = _table(
    "leases",
    _words("id", key=True),
    _words("team"),
    _words("period"),
    _words("gateway"),
    _number("epoch"),
    _number("lent"),
    _number("spent"),
    _number("made_at_ms"),
    _number("ends_at_ms"),
    _words("state"),
    _words("lending"),
    _words("renewal"),
)
Index("tollbridge_leases_open", leases.c.gateway, sqlite_where=text(OPEN), postgresql_where=text(OPEN))
Index("tollbridge_leases_scope", leases.c.team, leases.c.period)

entries = _table(
    "entries",
    _words("team", key=True),
    _words("period", key=True),
    _number("seq", key=True),
    _number("at_ms"),
    _words("kind"),
    _words("lease_id"),
    _words("gateway"),
    _number("epoch"),
    _words("request_id"),
    _words("who"),
    _words("why"),
    _number("limit", null=True),
    _number("spent"),
    _number("lent"),
    _number("version"),
    _words("previous_hash"),
    _words("hash"),
)
REQUESTED = "request_id <> ''"
Index(
    "tollbridge_entries_request",
    *(entries.c.team, entries.c.period, entries.c.request_id),
    unique=True,
    sqlite_where=text(REQUESTED),
    postgresql_where=text(REQUESTED),
)

TOKEN_CLASSES = (
    *("input", "cache_read", "cache_write_5m", "cache_write_1h"),
    *("cache_write_unsplit", "output", "reasoning"),
)

figures = _table(
    "figures",
    _words("team", key=True),
    _words("gateway", key=True),
    _number("seq", key=True),
    _words("turn_id"),
    _words("session_id"),
    _words("person"),
    _words("project"),
    _words("model"),
    _words("agent"),
    _words("outcome"),
    _number("at_ms"),
    _number("cost"),
    _number("calls"),
    _number("unpriced_calls"),
    *(_number(name) for name in TOKEN_CLASSES),
)
Index("tollbridge_figures_at", figures.c.team, figures.c.at_ms)
