"""A turn waits to be sent again where it was typed, and keeps what its agent claims; sessions are found by their agent's name."""

import sqlalchemy as sa
from alembic import op

revision = "0006_desk"
down_revision = "0005_leases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Columns and an index: nothing that was there changes."""
    op.add_column("turns", sa.Column("waits_until_ms", sa.Integer(), nullable=True))
    op.add_column("turns", sa.Column("claim", sa.Text(), nullable=True))
    named = sa.text("agent_session IS NOT NULL")
    op.create_index("sessions_of_agent", "sessions", ["agent_session"], sqlite_where=named)
