"""The tallies' part of the page version apart: after a fold, pages need their figures anew and nothing else"""

import sqlalchemy as sa
from alembic import op

from db.migrations import steps

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None
release = "0.5.0"
oldest = "0.1.0"
touches = ()

WATCHED = ("tallies", "tally_days")
FUNCTION = """
CREATE OR REPLACE FUNCTION new_tallies_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('verdicts.tallies_version', true) = 'new' THEN
        RETURN NULL;
    END IF;
    INSERT INTO page_version (id, version, tallies) VALUES (1, 'first', gen_random_uuid()::text)
        ON CONFLICT (id) DO UPDATE SET tallies = excluded.tallies;
    PERFORM set_config('verdicts.tallies_version', 'new', true);
    RETURN NULL;
END $$
"""
POSTGRESQL = """
CREATE CONSTRAINT TRIGGER page_version_of_{table} AFTER INSERT OR DELETE OR UPDATE ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION new_tallies_version()
"""
SQLITE = """
CREATE TRIGGER page_version_of_{table}_{event} AFTER {event} ON {table}
    BEGIN UPDATE page_version SET tallies = lower(hex(randomblob(16))); END
"""


def upgrade() -> None:
    if not steps.has_column("page_version", "tallies"):
        op.add_column("page_version", sa.Column("tallies", sa.String(), nullable=False, server_default="first"))
    sqlite = op.get_bind().dialect.name == "sqlite"
    if not sqlite:
        op.execute(FUNCTION)
    for table in WATCHED:
        if not sqlite:
            op.execute(f"DROP TRIGGER IF EXISTS page_version_of_{table} ON {table}")
            op.execute(POSTGRESQL.format(table=table))
            continue
        for event in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER IF EXISTS page_version_of_{table}_{event}")
            op.execute(SQLITE.format(table=table, event=event))
