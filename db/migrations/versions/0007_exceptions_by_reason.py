"""A digest's exceptions are counted by their reason too, from the index alone"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

EXCEPTION = sa.text("state in ('deferred', 'failed', 'skipped', 'unknown', 'cancelled')")


def upgrade() -> None:
    op.drop_index("ix_deliveries_exceptions", table_name="deliveries")
    op.create_index(
        "ix_deliveries_exceptions",
        "deliveries",
        ["letter", "about", "state", "code", "reason", "id"],
        unique=False,
        sqlite_where=EXCEPTION,
        postgresql_where=EXCEPTION,
    )
