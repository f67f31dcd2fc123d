"""A turn that was allowed waits to be sent again where it was typed; a session is found by its agent's own name for it."""

import sqlalchemy as sa
from alembic import op

revision = "0006_desk"
down_revision = "0005_leases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column and an index: nothing that was there changes."""
    op.add_column("turns", sa.Column("waits_until_ms", sa.Integer(), nullable=True))
    named = sa.text("agent_session IS NOT NULL")
    op.create_index("sessions_of_agent", "sessions", ["agent_session"], sqlite_where=named)
