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
    columns: tuple[tuple[str, sa.types.TypeEngine[object]], ...] = (
        ("skew", sa.Double()),
        ("taken_at", sa.DateTime(timezone=True)),
        ("failed_at", sa.DateTime(timezone=True)),
        ("failure", sa.Text()),
    )
    for name, kind in columns:
        if not steps.has_column("heartbeats", name):
            op.add_column("heartbeats", sa.Column(name, kind, nullable=True))
