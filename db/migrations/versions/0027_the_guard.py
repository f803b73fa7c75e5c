"""Whether the database is a copy of another, which sends nothing until somebody confirms it"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
release = "0.5.0"
oldest = "0.1.0"
touches = ()


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "guards",
        sa.Column("id", number, nullable=False),
        sa.Column("how", sa.String(), nullable=False),
        sa.Column("copied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_delivery", number, nullable=False),
        sa.Column("last_job", number, nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guards")),
        sqlite_autoincrement=True,
    )
