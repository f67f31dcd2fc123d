"""Events for the owner's webhook wait in a table of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0018_hooks"
down_revision = "0017_imported"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """An empty table: turns that have ended before are not told of."""
    op.create_table(
        "hooks_out",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("not_before_ms", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("failed_at_ms", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False, server_default=""),
        sa.UniqueConstraint("key", name="hooks_out_key"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("hooks_out_queue", "hooks_out", ["id", "not_before_ms"], sqlite_where=sa.text("state = 'waiting'"))
