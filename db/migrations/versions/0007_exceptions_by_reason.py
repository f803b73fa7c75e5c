"""A digest's exceptions are counted by their reason too, from the index alone"""

from db.migrations import steps

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
touches = ("deliveries",)


def upgrade() -> None:
    steps.index(
        "ix_deliveries_exceptions",
        "deliveries",
        ["letter", "about", "state", "code", "reason", "id"],
        where="state in ('deferred', 'failed', 'skipped', 'unknown', 'cancelled')",
    )
