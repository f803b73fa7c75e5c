"""Stop rules that tripped, and which suppressions they made suspected"""

import sqlalchemy as sa
from alembic import op

from db.migrations import steps

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
release = "0.3.0"
oldest = "0.1.0"
touches = ("suppressions",)

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OF_DIGEST, OF_DOMAIN = "ended_at is null and domain is null", "ended_at is null and domain is not null"


def upgrade() -> None:
    inspector = sa.inspect(op.get_bind())
    if not inspector.has_table("stops"):
        _stops()
    for name, kind in (("digest_id", BIG), ("suspected_at", sa.DateTime(timezone=True))):
        if not steps.has_column("suppressions", name):
            op.add_column("suppressions", sa.Column(name, kind, nullable=True))
    steps.index("ix_suppressions_digest_id", "suppressions", ["digest_id"], where="digest_id is not null")
    steps.index("ix_suppressions_suspected", "suppressions", ["digest_id"], where="suspected_at is not null")


def _stops() -> None:
    op.create_table(
        "stops",
        sa.Column("id", BIG, nullable=False),
        sa.Column("digest_id", BIG, nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("letters", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["digest_id"], ["digests.id"], name=op.f("fk_stops_digest_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stops")),
        sqlite_autoincrement=True,
    )
    for name, column, where in (
        ("ix_stops_of_digest", "digest_id", OF_DIGEST),
        ("ix_stops_of_domain", "domain", OF_DOMAIN),
    ):
        condition = sa.text(where)
        op.create_index(name, "stops", [column], unique=True, sqlite_where=condition, postgresql_where=condition)
