"""A turn waits to be sent again where it was typed, keeps what its agent claims and what came with it; sessions are found by their agent's name."""

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
    op.add_column("turns", sa.Column("attachments", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("turns", sa.Column("message_id", sa.Text(), nullable=False, server_default=""))
    named = sa.text("agent_session IS NOT NULL")
    op.create_index("sessions_of_agent", "sessions", ["agent_session"], sqlite_where=named)
