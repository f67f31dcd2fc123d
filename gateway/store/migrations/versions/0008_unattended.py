"""Sessions that nobody sits at are told apart."""

import sqlalchemy as sa
from alembic import op

revision = "0008_unattended"
down_revision = "0007_unmetered"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column: nothing that was there changes."""
    op.add_column("sessions", sa.Column("unattended", sa.Integer(), nullable=False, server_default="0"))
