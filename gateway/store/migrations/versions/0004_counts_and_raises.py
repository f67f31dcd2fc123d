"""Tokens, calls and minutes are counted and limited beside money; limits are raised for a turn or until a time; quota windows."""

import sqlalchemy as sa
from alembic import op

revision = "0004_counts_and_raises"
down_revision = "0003_projects_and_own_limits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Counting begins here: what was used before was not counted, and stays at nothing."""
    for table in ("entries", "balances"):
        for name in ("tokens", "calls", "work_ms"):
            op.add_column(table, sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        for name in ("tokens_cap", "calls_cap", "work_ms_cap"):
            op.add_column(table, sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("entries", sa.Column("until_ms", sa.Integer(), nullable=True))
    op.create_index("entries_timed", "entries", ["until_ms"], sqlite_where=sa.text("until_ms IS NOT NULL"))
    op.add_column("turns", sa.Column("work_ms", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("turns", sa.Column("lifts", sa.Text(), nullable=False, server_default="[]"))
    op.create_table(
        "quotas",
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("window", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("told_at_ms", sa.Integer(), nullable=False),
        sa.Column("resets_at_ms", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("agent", "window"),
        sqlite_strict=True,
    )
