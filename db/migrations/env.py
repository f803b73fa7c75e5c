"""Run by Alembic: migrations go over the project's own engine, one process at a time."""

from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection, delete, insert, inspect, text

from db.schema import RELEASE, SchemaRelease
from db.session import engine
from db.tables import TABLES

ONE_AT_A_TIME = 7_205_261
"""A number of our own for PostgreSQL's advisory lock; SQLite's BEGIN IMMEDIATE needs none."""
FIRST_THAT_SAYS = "0010"
"""What came before this revision belonged to release 0.1.0 and said nothing."""


def write_whose(ctx: MigrationContext, step: MigrationInfo, *_: Any, **__: Any) -> None:
    """Write into the database, in the step's own transaction, whose it now is and which release may go on with it."""
    connection = ctx.connection
    assert isinstance(connection, Connection)
    if not inspect(connection).has_table(SchemaRelease.__tablename__):
        return
    steps = [each.module for each in context.script.iterate_revisions(step.up_revision_id, "base")]
    said = [each for each in steps if each.revision >= FIRST_THAT_SAYS]
    oldest = max((getattr(each, "oldest", RELEASE) for each in said), key=lambda name: [*map(int, name.split("."))])
    release = getattr(said[0], "release", RELEASE)
    connection.execute(delete(SchemaRelease))
    connection.execute(insert(SchemaRelease).values(id=1, release=release, revision=step.up_revision_id, oldest=oldest))


with engine().connect() as connection:
    context.configure(connection=connection, target_metadata=TABLES, compare_type=True, on_version_apply=write_whose)
    with connection.begin():
        if connection.dialect.name != "sqlite":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": ONE_AT_A_TIME})
        with context.begin_transaction():
            context.run_migrations()
