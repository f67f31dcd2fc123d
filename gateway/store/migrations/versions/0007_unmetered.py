"""Sessions that went without Tollbridge are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0007_unmetered"
down_revision = "0006_desk"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table: nothing that was there changes."""
    op.create_table(
        "unmetered",
        sa.Column("session", sa.Text(), primary_key=True, nullable=False),
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.Integer(), nullable=False),
        sa.Column("last_ms", sa.Integer(), nullable=False),
        sa.Column("told_at_ms", sa.Integer(), nullable=True),
        sqlite_strict=True,
    )
