"""Turns that agents' own logs tell of are kept for the estimator."""

import sqlalchemy as sa
from alembic import op

revision = "0017_imported"
down_revision = "0016_outcomes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table: nothing that was there changes."""
    op.create_table(
        "imported_turns",
        sa.Column("agent", sa.Text(), primary_key=True, nullable=False),
        sa.Column("session", sa.Text(), primary_key=True, nullable=False),
        sa.Column("prompt", sa.Text(), primary_key=True, nullable=False),
        sa.Column("ended_at_ms", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("spent", sa.Integer(), nullable=False),
        sa.Column("p90", sa.Integer(), nullable=True),
        sa.Column("warm", sa.Integer(), nullable=True),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("at_least", sa.Integer(), nullable=False),
        sqlite_strict=True,
    )
    op.create_index("imported_turns_ended", "imported_turns", ["agent", "ended_at_ms"])
