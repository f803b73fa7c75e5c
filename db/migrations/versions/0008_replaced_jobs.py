"""A job is replaced by at most one edited copy, and finds it"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "uq_jobs_replaces",
        "jobs",
        ["replaces"],
        unique=True,
        sqlite_where=sa.text("replaces is not null"),
        postgresql_where=sa.text("replaces is not null"),
    )
