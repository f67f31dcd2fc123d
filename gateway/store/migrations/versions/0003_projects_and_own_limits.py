"""Sessions know their project; a limit of the settings is no longer an entry, so that a changed setting counts at once."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003_projects_and_own_limits"
down_revision = "0002_versions_and_indexes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The entries stay as they are; a balance keeps only the limit that a person set last, if one did."""
    op.add_column("sessions", sa.Column("project", sa.Text(), nullable=False, server_default=""))
    named = sa.text("message_id IS NOT NULL")
    op.create_index("outbox_message", "outbox", ["service", "chat", "message_id"], sqlite_where=named)
    op.create_index("entries_policy", "entries", ["seq"], sqlite_where=sa.text("kind = 'policy'"))
    connection = op.get_bind()
    limits: dict[tuple[str, str], int | None] = {}
    rows = connection.execute(sa.text("SELECT scopes, who, \"limit\" FROM entries WHERE kind = 'limit' ORDER BY seq"))
    for scopes, who, limit in rows:
        for kind, key in json.loads(scopes):
            if who != "settings":
                limits[kind, key] = limit
            else:
                limits.setdefault((kind, key), None)
    for (kind, key), limit in limits.items():
        statement = sa.text('UPDATE balances SET "limit" = :limit WHERE kind = :kind AND key = :key')
        connection.execute(statement, {"limit": limit, "kind": kind, "key": key})
