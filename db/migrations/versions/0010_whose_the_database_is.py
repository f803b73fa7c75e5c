"""A row that says which release the database belongs to, and which releases may go on with it"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
release = "0.2.0"
oldest = "0.1.0"
touches = ()


def upgrade() -> None:
    op.create_table(
        "schema_release",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("oldest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schema_release")),
    )
