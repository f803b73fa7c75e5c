"""Who signed up how often lately, by keyed hash of the network and of the mailbox"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
release = "0.3.0"
oldest = "0.1.0"
touches = ()


def upgrade() -> None:
    op.create_table(
        "buckets",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("taken", sa.JSON(), nullable=False),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_buckets_full_at", "buckets", ["full_at"])
