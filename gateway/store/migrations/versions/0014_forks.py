"""Sessions say of which conversation they begin as a copy."""

import sqlalchemy as sa
from alembic import op

revision = "0014_forks"
down_revision = "0013_groups"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column: none was a copy before."""
    op.add_column("sessions", sa.Column("forked_from", sa.Text(), nullable=False, server_default=""))
