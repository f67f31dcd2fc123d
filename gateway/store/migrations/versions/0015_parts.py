"""Turns tell what their cost is made of."""

import sqlalchemy as sa
from alembic import op

revision = "0015_parts"
down_revision = "0014_forks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column: of what was spent before it is not told apart."""
    op.add_column("turns", sa.Column("parts", sa.Text(), nullable=False, server_default="{}"))
