"""The audit is found by time"""

from db.migrations import steps

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
touches = ("audit",)


def upgrade() -> None:
    steps.index("ix_audit_at", "audit", ["at", "id"])
