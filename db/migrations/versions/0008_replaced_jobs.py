"""A job is replaced by at most one edited copy, and finds it"""

from db.migrations import steps

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
touches = ("jobs",)


def upgrade() -> None:
    steps.index("uq_jobs_replaces", "jobs", ["replaces"], unique=True, where="replaces is not null")
