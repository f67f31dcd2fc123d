"""Entries say by which rule they are hashed; indexes for what is asked often, or of many rows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import text

revision = "0002_versions_and_indexes"
down_revision = "0001_spine"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was written before is version 1, and keeps its hash."""
    op.add_column("entries", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    _outbox()
    _turns()
    op.create_index("approvals_unheard", "approvals", ["turn_id"], sqlite_where=text("request_id <> ''"))


def _outbox() -> None:
    """One index leads from thread to thread, to the next message of each; the others tell which threads have to wait."""
    op.drop_index("outbox_queue", "outbox")
    queue = ["service", "chat", "topic", "edit", "id"]
    op.create_index("outbox_queue", "outbox", queue, sqlite_where=text("state = 'waiting'"))
    delayed = text("state = 'waiting' AND not_before_ms > 0")
    op.create_index("outbox_delayed", "outbox", ["service", "not_before_ms"], sqlite_where=delayed)
    op.drop_index("outbox_state", "outbox")
    op.create_index("outbox_state", "outbox", ["state", "created_at_ms"])


def _turns() -> None:
    op.drop_index("turns_undone", "turns")
    undone = text("state IN ('queued', 'asking', 'held', 'running', 'paused')")
    op.create_index("turns_undone", "turns", ["session_id", "created_at_ms"], sqlite_where=undone)
    op.create_index("turns_created", "turns", ["created_at_ms"])
    op.create_index("turns_unpriced", "turns", ["unpriced_calls"], sqlite_where=text("unpriced_calls > 0"))
