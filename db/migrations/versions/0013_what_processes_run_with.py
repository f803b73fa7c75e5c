"""Each process says on which host it runs, which release it is, when it last lived, and with which settings"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
release = "0.3.0"
oldest = "0.1.0"
touches = ("heartbeats",)


def upgrade() -> None:
    op.add_column("heartbeats", sa.Column("host", sa.String(), nullable=True))
    op.add_column("heartbeats", sa.Column("release", sa.String(), nullable=True))
    op.add_column("heartbeats", sa.Column("alive_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("heartbeats", sa.Column("runs_with", sa.JSON(), nullable=True))
