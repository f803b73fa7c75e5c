"""How many letters were sent in each minute of the last day, and how many each claim reserves"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
release = "0.3.0"
oldest = "0.1.0"
touches = ("claims", "allowances")


def upgrade() -> None:
    op.create_table(
        "sent_minutes",
        sa.Column("counts_until", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("letters", sa.Integer(), nullable=False),
        sa.Column("single", sa.Integer(), nullable=False),
    )
    op.add_column("claims", sa.Column("reserved", sa.Integer(), nullable=True))
    op.add_column("allowances", sa.Column("counted_since", sa.DateTime(timezone=True), nullable=True))
