"""A digest remembers through which kind of transport its letters leave; none until a sender begins it"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
release = "0.3.0"
oldest = "0.1.0"
touches = ("digests",)


def upgrade() -> None:
    op.add_column("digests", sa.Column("transport", sa.String(), nullable=True))
