"""The bank: shared scopes, leases, entries that only grow, and settled figures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import text

revision = "0001_bank"
down_revision = None
branch_labels = None
depends_on = None

_SAID = "the bank's ledger is append-only"


def upgrade() -> None:
    """Everything, in a database without a bank."""
    _scopes()
    _leases()
    _entries()
    _figures()
    if op.get_bind().dialect.name == "sqlite":
        _append_only_in_sqlite()
    else:
        _append_only_in_postgres()


def _append_only_in_sqlite() -> None:
    said = _SAID.replace("'", "''")
    for name, when in (("stay", "UPDATE"), ("remain", "DELETE")):
        op.execute(
            f"CREATE TRIGGER tollbridge_entries_{name} BEFORE {when} ON tollbridge_entries "
            f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
        )


def _append_only_in_postgres() -> None:
    said = _SAID.replace("'", "''")
    op.execute(
        "CREATE FUNCTION tollbridge_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{said}'; END $$"
    )
    for name, when, each in (("stay", "UPDATE OR DELETE", "ROW"), ("remain", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER tollbridge_entries_{name} BEFORE {when} ON tollbridge_entries "
            f"FOR EACH {each} EXECUTE FUNCTION tollbridge_append_only()"
        )


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=null, autoincrement=False)


def _scopes() -> None:
    op.create_table(
        "tollbridge_scopes",
        _words("team"),
        _words("period"),
        _number("limit", null=True),
        _number("spent"),
        _number("lent"),
        _number("seq"),
        _words("hash"),
        sa.PrimaryKeyConstraint("team", "period"),
        sqlite_strict=True,
    )


def _leases() -> None:
    op.create_table(
        "tollbridge_leases",
        _words("id"),
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
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    still_open = text("state IN ('live', 'expired')")
    op.create_index(
        "tollbridge_leases_open",
        "tollbridge_leases",
        ["gateway"],
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_index("tollbridge_leases_scope", "tollbridge_leases", ["team", "period"])


def _entries() -> None:
    op.create_table(
        "tollbridge_entries",
        _words("team"),
        _words("period"),
        _number("seq"),
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
        sa.PrimaryKeyConstraint("team", "period", "seq"),
        sqlite_strict=True,
    )
    requested = text("request_id <> ''")
    op.create_index(
        "tollbridge_entries_request",
        "tollbridge_entries",
        ["team", "period", "request_id"],
        unique=True,
        sqlite_where=requested,
        postgresql_where=requested,
    )


def _figures() -> None:
    op.create_table(
        "tollbridge_figures",
        *(_words("team"), _words("gateway"), _number("seq")),
        *(_words(name) for name in ("turn_id", "session_id", "person", "project", "model", "agent", "outcome")),
        *(_number(name) for name in ("at_ms", "cost", "calls", "unpriced_calls")),
        *(_number(name) for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h")),
        *(_number(name) for name in ("cache_write_unsplit", "output", "reasoning")),
        sa.PrimaryKeyConstraint("team", "gateway", "seq"),
        sqlite_strict=True,
    )
    op.create_index("tollbridge_figures_at", "tollbridge_figures", ["team", "at_ms"])
