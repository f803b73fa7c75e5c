"""An entry that names a sign-up is found by it: without this, deleting one reads all consents"""

from db.migrations import steps

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
release = "0.3.0"
oldest = "0.1.0"
touches = ("consents",)


def upgrade() -> None:
    steps.index("ix_consents_sign_up", "consents", ["sign_up"], where="sign_up is not null")
