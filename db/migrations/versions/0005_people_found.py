"""People found by state: whose a suppression is, who is paused, and the votes of a day"""

import sqlalchemy as sa
from alembic import op

from db.migrations import steps

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
touches = ("suppressions", "subscribers", "tally_days")


def upgrade() -> None:
    if not steps.has_column("suppressions", "subscriber_id"):
        op.add_column(
            "suppressions",
            sa.Column("subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        )
    steps.index("ix_suppressions_at", "suppressions", ["at", "address_hash"])
    steps.index("ix_suppressions_subscriber_id", "suppressions", ["subscriber_id"])
    steps.index("ix_subscribers_state", "subscribers", ["state", "id"])
    steps.index("ix_subscribers_paused", "subscribers", ["paused_until"], where="paused_until is not null")
    steps.index("ix_tally_days_day", "tally_days", ["day"])
