"""A breaker's kind is a column, which the database derives from the key: older processes go on writing no kind"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
release = "0.2.0"
oldest = "0.1.0"
touches = ("relays",)


def upgrade() -> None:
    # Not stored on SQLite, which can add no other kind of generated column; stored on PostgreSQL, in a table of a
    # row for each server that refuses.
    kind = sa.Computed("CASE WHEN substr(name, 1, 3) = 'to ' THEN 'domain' ELSE 'relay' END")
    op.add_column("relays", sa.Column("kind", sa.String(), kind, nullable=False))
