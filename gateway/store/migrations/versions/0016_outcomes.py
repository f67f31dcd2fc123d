"""What turns left behind is kept, and what became of their commits."""

import sqlalchemy as sa
from alembic import op

revision = "0016_outcomes"
down_revision = "0015_parts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two tables: of turns before nothing is known."""
    op.create_table(
        "outcomes",
        sa.Column("turn_id", sa.Text(), sa.ForeignKey("turns.id"), primary_key=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sight", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("tests", sa.Text(), nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "outcome_commits",
        sa.Column("turn_id", sa.Text(), sa.ForeignKey("outcomes.turn_id"), primary_key=True, nullable=False),
        sa.Column("sha", sa.Text(), primary_key=True, nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("whose", sa.Text(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("authored_ms", sa.Integer(), nullable=False),
        sa.Column("committed_ms", sa.Integer(), nullable=False),
        sa.Column("due_ms", sa.Integer(), nullable=True),
        sa.Column("seen_at_ms", sa.Integer(), nullable=True),
        sa.Column("gone", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("branch", sa.Text(), nullable=False, server_default=""),
        sa.Column("merged", sa.Text(), nullable=False, server_default=""),
        sa.Column("reverted_by", sa.Text(), nullable=False, server_default=""),
        sa.Column("after_7", sa.Integer(), nullable=True),
        sa.Column("after_30", sa.Integer(), nullable=True),
        sqlite_strict=True,
    )
    op.create_index("outcome_commits_due", "outcome_commits", ["due_ms"], sqlite_where=sa.text("due_ms IS NOT NULL"))
