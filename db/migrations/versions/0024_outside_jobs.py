"""Outside jobs: a job that waits for somebody else's server says whose, and its queue is read apart from the others'"""

import sqlalchemy as sa
from alembic import op

from db.migrations import steps

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
release = "0.5.0"
oldest = "0.1.0"
touches = ("jobs",)


def upgrade() -> None:
    if not steps.has_column("jobs", "receiver"):
        op.add_column("jobs", sa.Column("receiver", sa.String(), nullable=True))
    pending = "state = 'pending' and receiver is"
    steps.index("ix_jobs_reactions_due", "jobs", ["run_after", "id"], where=f"{pending} null")
    steps.index("ix_jobs_outside_due", "jobs", ["run_after", "id", "receiver"], where=f"{pending} not null")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP INDEX IF EXISTS ix_jobs_due")
        return
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_due")
