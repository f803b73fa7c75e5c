"""Bounces and complaints, with the letter that each is about"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None
release = "0.6.0"
oldest = "0.1.0"
touches = ()

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT = sa.DateTime(timezone=True)
_OF_DIGEST = sa.text("digest_id is not null")


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("delivery_id", _ID, nullable=False),
        sa.Column("digest_id", _ID, nullable=True),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(), nullable=True),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("sent_at", _AT, nullable=False),
        sa.Column("at", _AT, nullable=False),
        sa.Column("raw_event", _ID, nullable=True),
        sa.Column("forgiven_at", _AT, nullable=True),
        sa.UniqueConstraint("delivery_id", "kind"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feedback_person", "feedback", ["person"])
    op.create_index(
        "ix_feedback_digest_id", "feedback", ["digest_id", "kind"], sqlite_where=_OF_DIGEST,
        postgresql_where=_OF_DIGEST,
    )  # fmt: skip
    op.create_index("ix_feedback_at", "feedback", ["at"])
