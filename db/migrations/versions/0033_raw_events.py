"""Raw events: what came back after a letter, as it arrived"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None
release = "0.6.0"
oldest = "0.1.0"
touches = ()

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "raw_events",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", _AT, nullable=False),
        sa.Column("handled_at", _AT, nullable=True),
        sa.Column("person", sa.String(), nullable=True),
        sa.UniqueConstraint("source", "key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_raw_events_person", "raw_events", ["person"])
    op.create_index("ix_raw_events_received_at", "raw_events", ["received_at"])
