"""The spine: inbox, outbox, sessions, turns, approvals, grants, processes, and the ledger with its balances."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import text

revision = "0001_spine"
down_revision = None
branch_labels = None
depends_on = None

_APPEND_ONLY = "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
_NEXT = "(SELECT coalesce(max(seq), 0) + 1 FROM entries)"


def upgrade() -> None:
    """Everything, in an empty database."""
    _inbox()
    _outbox()
    _sessions()
    _threads()
    _turns()
    _approvals()
    _approval_tokens()
    _grants()
    _processes()
    _entries()
    _balances()
    _ledger_is_append_only()


def _ledger_is_append_only() -> None:
    op.execute(f"CREATE TRIGGER entries_stay BEFORE UPDATE ON entries {_APPEND_ONLY}")
    op.execute(f"CREATE TRIGGER entries_remain BEFORE DELETE ON entries {_APPEND_ONLY}")
    op.execute(f"CREATE TRIGGER entries_follow BEFORE INSERT ON entries WHEN NEW.seq <> {_NEXT} {_APPEND_ONLY}")


def _words(name: str, *, null: bool = False, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null, server_default=default)


def _number(name: str, *, null: bool = False, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=null, server_default=default)


def _inbox() -> None:
    op.create_table(
        "inbox",
        _number("id"),
        _words("service"),
        _words("key"),
        _words("payload"),
        _number("received_at_ms"),
        _words("state"),
        _words("reason", default=""),
        _number("attempts", default="0"),
        _number("handled_at_ms", null=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("service", "key", name="inbox_key"),
        sqlite_strict=True,
    )
    op.create_index("inbox_state", "inbox", ["state", "id"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        _number("id"),
        _words("service"),
        _words("chat"),
        _words("topic"),
        _words("ref"),
        _number("part"),
        _words("body"),
        _number("edit"),
        _number("ring"),
        _words("state"),
        _words("reason", default=""),
        _words("message_id", null=True),
        _number("attempts", default="0"),
        _number("not_before_ms", default="0"),
        _number("created_at_ms"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index("outbox_edit", "outbox", ["ref"], sqlite_where=text("edit = 1"))
    op.create_index("outbox_part", "outbox", ["ref", "part"], unique=True, sqlite_where=text("edit = 0"))
    op.create_index(
        "outbox_queue",
        "outbox",
        ["service", "chat", "topic", "id"],
        sqlite_where=text("state IN ('waiting', 'sending')"),
    )
    op.create_index("outbox_state", "outbox", ["state"])


def _sessions() -> None:
    op.create_table(
        "sessions",
        _words("id"),
        _words("agent"),
        _words("directory"),
        _words("service"),
        _words("chat"),
        _words("topic"),
        _words("owner"),
        _number("created_at_ms"),
        _words("agent_session", null=True),
        _words("model", null=True),
        _number("context_tokens"),
        _number("last_call_at_ms", null=True),
        _number("cache_ttl_s"),
        _words("title"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("sessions_thread", "sessions", ["service", "chat", "topic", "created_at_ms"])


def _threads() -> None:
    op.create_table(
        "threads",
        _words("service"),
        _words("chat"),
        _words("topic"),
        _words("session_id"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"]),
        sa.PrimaryKeyConstraint("service", "chat", "topic"),
        sqlite_strict=True,
    )


def _turns() -> None:
    op.create_table(
        "turns",
        _words("id"),
        _words("session_id"),
        _words("agent"),
        _words("origin"),
        _words("state"),
        _words("person"),
        _words("prompt"),
        _words("prompt_uuid"),
        _number("created_at_ms"),
        _words("model", null=True),
        _words("scopes"),
        _words("estimate", null=True),
        _number("hold"),
        _number("held_left"),
        _number("ceiling"),
        _number("spent"),
        _words("tokens"),
        _number("calls"),
        _number("unpriced_calls"),
        _number("unpriced_allowed"),
        _number("continues"),
        _words("flags"),
        _words("outcome", null=True),
        _number("started_at_ms", null=True),
        _number("ended_at_ms", null=True),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index(
        "turns_costs",
        "turns",
        ["person", "agent", "ended_at_ms"],
        sqlite_where=text("unpriced_calls = 0 AND calls > 0"),
    )
    op.create_index("turns_session", "turns", ["session_id", "created_at_ms"])
    op.create_index(
        "turns_undone",
        "turns",
        ["session_id"],
        sqlite_where=text("state IN ('queued', 'asking', 'held', 'running', 'paused')"),
    )


def _approvals() -> None:
    op.create_table(
        "approvals",
        _words("id"),
        _words("kind"),
        _words("turn_id"),
        _words("session_id"),
        _words("service"),
        _words("chat"),
        _words("topic"),
        _words("text"),
        _words("options"),
        _words("digest"),
        _number("expires_at_ms"),
        _words("state"),
        _words("request_id"),
        _words("answered_by"),
        _words("answer"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("approvals_open", "approvals", ["turn_id"], sqlite_where=text("state = 'open'"))
    op.create_index("approvals_overdue", "approvals", ["expires_at_ms"], sqlite_where=text("state = 'open'"))


def _approval_tokens() -> None:
    op.create_table(
        "approval_tokens",
        _words("token"),
        _words("approval_id"),
        _number("place"),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"]),
        sa.PrimaryKeyConstraint("token"),
        sqlite_strict=True,
    )
    op.create_index("approval_tokens_of", "approval_tokens", ["approval_id", "place"])


def _grants() -> None:
    op.create_table(
        "grants",
        _words("person"),
        _words("chat"),
        _words("role"),
        _number("largest_raise", null=True),
        sa.PrimaryKeyConstraint("person", "chat"),
        sqlite_strict=True,
    )


def _processes() -> None:
    op.create_table(
        "processes",
        _words("session_id"),
        _number("pid"),
        _words("started"),
        _words("journal"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"]),
        sa.PrimaryKeyConstraint("session_id"),
        sqlite_strict=True,
    )


def _entries() -> None:
    op.create_table(
        "entries",
        _number("seq"),
        _number("at_ms"),
        _words("kind"),
        _words("scopes"),
        _words("turn_id", null=True),
        _words("session_id", null=True),
        _words("who"),
        _words("why"),
        _number("spent"),
        _number("held"),
        _number("limit", null=True),
        _words("call_id", null=True),
        _words("detail"),
        _words("previous_hash"),
        _words("hash"),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_strict=True,
    )
    op.create_index("entries_call", "entries", ["call_id"], unique=True, sqlite_where=text("call_id IS NOT NULL"))
    op.create_index("entries_frozen", "entries", ["seq"], sqlite_where=text("kind IN ('freeze', 'thaw')"))
    op.create_index("entries_session", "entries", ["session_id", "seq"])
    op.create_index("entries_turn", "entries", ["turn_id", "seq"])


def _balances() -> None:
    op.create_table(
        "balances",
        _words("kind"),
        _words("key"),
        _number("limit", null=True),
        _number("spent"),
        _number("held"),
        sa.CheckConstraint("held >= 0", name="held_is_never_negative"),
        sa.PrimaryKeyConstraint("kind", "key"),
        sqlite_strict=True,
    )
