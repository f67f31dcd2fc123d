"""A session may have a thread of its own in its chat, and a worktree for a branch."""

import sqlalchemy as sa
from alembic import op

revision = "0010_topics"
down_revision = "0009_people"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Columns and an index: nothing that was there changes."""
    for name in ("room", "room_name", "branch"):
        op.add_column("sessions", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    unsettled = sa.text("room IN ('wanted', 'closing', 'reopening')")
    op.create_index("sessions_unsettled", "sessions", ["room"], sqlite_where=unsettled)
