"""Letters as they were sent: a digest's tools and its encoded letter; a delivery's own votes, claim and fingerprint"""

import sqlalchemy as sa
from alembic import op

from db.migrations import steps

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None
release = "0.6.0"
oldest = "0.1.0"
touches = ("deliveries",)

COLUMNS = (
    ("digests", "tool_ids", sa.JSON()),
    ("digests", "encoded", sa.LargeBinary()),
    ("deliveries", "own_votes", sa.String()),
    ("deliveries", "claimed_at", sa.DateTime(timezone=True)),
    ("deliveries", "fingerprint", sa.LargeBinary()),
)
"""All are nullable and without a default, so no row is rewritten, and releases that do not know them write on."""


def upgrade() -> None:
    for table, name, kind in COLUMNS:
        if not steps.has_column(table, name):
            op.add_column(table, sa.Column(name, kind, nullable=True))
