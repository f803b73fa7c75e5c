"""Puts a database into the state in which a later or an older release would leave it."""

from sqlalchemy import text

from db import migrations, schema
from db.engine import engine
from db.session import writing


def belongs_to(release: str, oldest: str, revision: str = "9999") -> None:
    """Mark the database as migrated by this later release."""
    with writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        session.execute(text("DELETE FROM schema_release"))
        session.add(schema.SchemaRelease(id=1, release=release, revision=revision, oldest=oldest))
    schema.forget()


def at_revision(revision: str) -> None:
    """Bring a new database to an older release's revision, with that release's own tables."""
    with engine().connect() as connection:
        for each in range(1, int(revision) + 1):
            migrations.run(connection, f"{each:04}")
    schema.forget()
