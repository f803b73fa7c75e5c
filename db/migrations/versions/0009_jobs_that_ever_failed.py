"""Jobs that ever failed are found by what was said, and by when, without a look at all that went well"""

from db.migrations import steps

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
touches = ("jobs",)


def upgrade() -> None:
    steps.index("ix_jobs_failed", "jobs", ["failed_at", "id"], where="failed_at is not null")
