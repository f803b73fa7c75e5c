"""What kept pages are good for: a version that changes with everything that readers' pages are made of"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
release = "0.5.0"
oldest = "0.1.0"
touches = ()

# The database itself changes the version, so that processes of earlier releases do it too, and whoever corrects a row.
WATCHED = ("reviewers", "tools", "reviews", "comparisons", "tallies", "tally_days", "digests")
OF_DIGESTS = "slot, state, content, frozen_at"
"""A digest's row changes with each page of its audience, and pages show little of it."""

# PostgreSQL: a deferred trigger takes the lock on the one row just before the commit, after all other locks, so that no
# two transactions can wait for one another; and only the first of a transaction's triggers writes.
FUNCTION = """
CREATE OR REPLACE FUNCTION new_page_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('verdicts.page_version', true) = 'new' THEN
        RETURN NULL;
    END IF;
    INSERT INTO page_version (id, version) VALUES (1, gen_random_uuid()::text)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version;
    PERFORM set_config('verdicts.page_version', 'new', true);
    RETURN NULL;
END $$
"""
POSTGRESQL = """
CREATE CONSTRAINT TRIGGER {name} AFTER INSERT OR DELETE OR {update} ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION new_page_version()
"""
SQLITE = """
CREATE TRIGGER {name}_{event} AFTER {change} ON {table}
    BEGIN UPDATE page_version SET version = lower(hex(randomblob(16))); END
"""


def upgrade() -> None:
    op.create_table(
        "page_version",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("version", sa.String(), nullable=False),
    )
    op.execute("INSERT INTO page_version (id, version) VALUES (1, 'first')")
    sqlite = op.get_bind().dialect.name == "sqlite"
    if not sqlite:
        op.execute(FUNCTION)
    for table in WATCHED:
        update = f"UPDATE OF {OF_DIGESTS}" if table == "digests" else "UPDATE"
        name = f"page_version_of_{table}"
        if not sqlite:
            op.execute(POSTGRESQL.format(name=name, update=update, table=table))
            continue
        for change in ("INSERT", update, "DELETE"):
            event = change.split()[0].lower()
            op.execute(SQLITE.format(name=name, event=event, change=change, table=table))
