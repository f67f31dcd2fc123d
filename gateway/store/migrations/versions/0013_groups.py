"""Groups that go by another number are remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0013_groups"
down_revision = "0012_forgetting"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table: nothing that was there changes."""
    op.create_table(
        "moved_chats",
        sa.Column("service", sa.Text(), primary_key=True, nullable=False),
        sa.Column("before", sa.Text(), primary_key=True, nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sqlite_strict=True,
    )
