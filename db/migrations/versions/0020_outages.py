"""When a mail server refused all mail: that time makes no letter old"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
release = "0.3.0"
oldest = "0.1.0"
touches = ()


def upgrade() -> None:
    op.create_table(
        "outages",
        sa.Column("server", sa.String(), primary_key=True),
        sa.Column("since", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_outages_ended_at", "outages", ["ended_at"])
