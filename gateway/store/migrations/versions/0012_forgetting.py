"""Turns and sessions say when their words were forgotten, and what is old is found without looking through all that is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0012_forgetting"
down_revision = "0011_preferences"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Columns and indexes: nothing was forgotten before."""
    op.add_column("turns", sa.Column("forgotten_at_ms", sa.Integer(), nullable=True))
    op.add_column("sessions", sa.Column("forgotten_at_ms", sa.Integer(), nullable=True))
    remembered = sa.text("forgotten_at_ms IS NULL")
    op.create_index("turns_remembered", "turns", ["created_at_ms"], sqlite_where=remembered)
    op.create_index("approvals_remembered", "approvals", ["expires_at_ms"], sqlite_where=sa.text("text <> ''"))
