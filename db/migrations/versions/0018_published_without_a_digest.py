"""Comparisons can be archived, and those that the 14-day look-back passed over are known"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
release = "0.3.0"
oldest = "0.1.0"
touches = ("comparisons",)

LOOK_BACK = timedelta(days=14)
"""Until now a digest took only what had been published within this time; older comparisons stood in none."""
MARK = sa.text(
    "UPDATE comparisons SET passed_over_at = :now WHERE publish_at <= :oldest AND NOT EXISTS "
    "(SELECT 1 FROM digest_comparisons AS taken WHERE taken.comparison_id = comparisons.id)"
).bindparams(*(sa.bindparam(name, type_=sa.DateTime(timezone=True)) for name in ("now", "oldest")))


def upgrade() -> None:
    op.add_column("comparisons", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("comparisons", sa.Column("passed_over_at", sa.DateTime(timezone=True), nullable=True))
    now = datetime.now(UTC)
    if op.get_bind().dialect.name == "sqlite":
        now = now.replace(tzinfo=None)  # moments are stored in UTC, on SQLite without their zone
    op.get_bind().execute(MARK, {"now": now, "oldest": now - LOOK_BACK})
