"""When a digest was resumed: a pause does not make its letters old"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
touches = ("digests",)


def upgrade() -> None:
    op.add_column("digests", sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True))
