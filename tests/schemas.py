"""Databases of other releases: as a later one would leave it, and as an older one left it."""

from sqlalchemy import text

from db import migrations, schema
from db.session import engine, writing


def belongs_to(release: str, oldest: str, revision: str = "9999") -> None:
    """The database as a later release would leave it."""
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
