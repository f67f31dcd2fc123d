"""What people chose for a chat and a session, and the chats whose commands a service was told."""

import sqlalchemy as sa
from alembic import op

revision = "0011_preferences"
down_revision = "0010_topics"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New tables and a column: nobody has chosen anything yet."""
    op.add_column("sessions", sa.Column("mode", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "preferences",
        sa.Column("service", sa.Text(), primary_key=True, nullable=False),
        sa.Column("chat", sa.Text(), primary_key=True, nullable=False),
        sa.Column("verbosity", sa.Text(), nullable=False),
        sa.Column("confirm_above", sa.Integer(), nullable=True),
        sa.Column("confirm_by", sa.Text(), nullable=False),
        sa.Column("quiet", sa.Text(), nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "offered",
        sa.Column("service", sa.Text(), primary_key=True, nullable=False),
        sa.Column("chat", sa.Text(), primary_key=True, nullable=False),
        sqlite_strict=True,
    )
