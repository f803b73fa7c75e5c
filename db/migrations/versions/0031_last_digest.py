"""The last digest by an index: SQLite read through the bodies of all digests for it, 2.4 ms a page after two years"""

from db.migrations import steps

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None
release = "0.5.0"
oldest = "0.1.0"
touches = ("digests",)


def upgrade() -> None:
    steps.index("ix_digests_frozen_at", "digests", ["frozen_at", "id"])
