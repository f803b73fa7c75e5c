"""What is removed when its time is over: how many of a digest's deliveries, and how many rows on which day"""

import sqlalchemy as sa
from alembic import op

from db.migrations import steps

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
release = "0.5.0"
oldest = "0.1.0"
touches = ("deliveries",)


def upgrade() -> None:
    if not steps.has_column("digests", "removed"):
        op.add_column("digests", sa.Column("removed", sa.Integer(), nullable=True))
        op.create_table(
            "removals",
            sa.Column("kind", sa.String(), nullable=False),
            sa.Column("day", sa.Date(), nullable=False),
            sa.Column("removed", sa.Integer(), nullable=False),
            sa.PrimaryKeyConstraint("kind", "day", name=op.f("pk_removals")),
        )
    # Single letters alone: a digest's million of rows need no place in it, and are found by the unique index.
    steps.index("ix_deliveries_single", "deliveries", ["created_at"], where="letter <> 'digest'")
