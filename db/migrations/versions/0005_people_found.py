"""People found by state: whose a suppression is, who is paused, and the votes of a day"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "suppressions",
        sa.Column("subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
    )
    op.create_index("ix_suppressions_at", "suppressions", ["at", "address_hash"], unique=False)
    op.create_index("ix_suppressions_subscriber_id", "suppressions", ["subscriber_id"], unique=False)
    op.drop_index("ix_subscribers_state", table_name="subscribers")
    op.create_index("ix_subscribers_state", "subscribers", ["state", "id"], unique=False)
    op.create_index(
        "ix_subscribers_paused",
        "subscribers",
        ["paused_until"],
        unique=False,
        sqlite_where=sa.text("paused_until is not null"),
        postgresql_where=sa.text("paused_until is not null"),
    )
    op.create_index("ix_tally_days_day", "tally_days", ["day"], unique=False)
