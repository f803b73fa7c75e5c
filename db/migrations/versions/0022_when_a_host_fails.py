"""Each process says how far its clock is off, and when the mail server last took a letter from it or its work failed"""

import sqlalchemy as sa
from alembic import op

from db.migrations import steps

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
release = "0.4.0"
oldest = "0.1.0"
touches = ("heartbeats",)


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    for column in (
        sa.Column("skew", sa.Double(), nullable=True),
        sa.Column("taken_at", moment, nullable=True),
        sa.Column("failed_at", moment, nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
    ):
        if not steps.has_column("heartbeats", column.name):
            op.add_column("heartbeats", column)
