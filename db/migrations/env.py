"""Run by Alembic for one revision at a time, over the connection that `db.migrations` holds its lock on."""

from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection, delete, insert, inspect, text

from db.migrations import steps
from db.schema import RELEASE, SchemaRelease
from db.tables import TABLES

FIRST_THAT_SAYS = "0010"
"""Earlier revisions belong to release 0.1.0 and do not name their release."""


def write_whose(ctx: MigrationContext, step: MigrationInfo, *_: Any, **__: Any) -> None:
    """Store, in the step's transaction, the release that now owns the database and the oldest one that may use it."""
    connection = ctx.connection
    assert isinstance(connection, Connection)
    if not inspect(connection).has_table(SchemaRelease.__tablename__):
        return
    modules = [each.module for each in context.script.iterate_revisions(step.up_revision_id, "base")]
    said = [each for each in modules if each.revision >= FIRST_THAT_SAYS]
    oldest = max((getattr(each, "oldest", RELEASE) for each in said), key=lambda name: [*map(int, name.split("."))])
    release = getattr(said[0], "release", RELEASE)
    connection.execute(delete(SchemaRelease))
    connection.execute(insert(SchemaRelease).values(id=1, release=release, revision=step.up_revision_id, oldest=oldest))


connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=TABLES,
    compare_type=True,
    transaction_per_migration=True,
    on_version_apply=write_whose,
)
if connection.dialect.name == "sqlite":
    with connection.begin():  # BEGIN IMMEDIATE: the current revision is read under SQLite's write lock
        context.run_migrations()
else:
    connection.execute(text(f"SET lock_timeout = '{steps.LOCK_SECONDS}s'"))
    connection.commit()
    with context.begin_transaction():
        context.run_migrations()
