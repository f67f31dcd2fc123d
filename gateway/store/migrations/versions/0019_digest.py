"""Chats can be told at a time of their choice what was spent."""

import sqlalchemy as sa
from alembic import op

revision = "0019_digest"
down_revision = "0018_hooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Three columns: when, for whom, and which was the last."""
    for name in ("digest", "digest_for", "digest_told"):
        op.add_column("preferences", sa.Column(name, sa.Text(), nullable=False, server_default=""))
