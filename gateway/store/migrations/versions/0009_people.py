"""Grants say where they are from, since when, by whose word, and what the person calls themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0009_people"
down_revision = "0008_unattended"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Columns: whoever was let in before was so by the settings."""
    op.add_column("grants", sa.Column("origin", sa.Text(), nullable=False, server_default="settings"))
    op.add_column("grants", sa.Column("since_ms", sa.Integer(), nullable=True))
    op.add_column("grants", sa.Column("by", sa.Text(), nullable=False, server_default=""))
    op.add_column("grants", sa.Column("name", sa.Text(), nullable=False, server_default=""))
