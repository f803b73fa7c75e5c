"""Jobs that ever failed are found by what was said, and by when, without a look at all that went well"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_jobs_failed",
        "jobs",
        ["failed_at", "id"],
        unique=False,
        sqlite_where=sa.text("failed_at is not null"),
        postgresql_where=sa.text("failed_at is not null"),
    )
