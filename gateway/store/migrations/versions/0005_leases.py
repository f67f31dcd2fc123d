"""Leases of the team's bank, with the request that is on its way, and figures that the bank does not have yet."""

import sqlalchemy as sa
from alembic import op

revision = "0005_leases"
down_revision = "0004_counts_and_raises"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two tables: nothing that was there changes."""
    op.create_table(
        "leases",
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("pending", sa.Text(), nullable=True),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.UniqueConstraint("id", name="leases_id"),
        sqlite_strict=True,
    )
    op.create_index("leases_state", "leases", ["state", "seq"])
    op.create_table(
        "figures",
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("figure", sa.Text(), nullable=False),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
