"""Puts a database into the state in which a later or an older release would leave it."""

import shutil

from sqlalchemy import text

from db import schema
from db.engine import engine
from db.session import writing
from tests import templates


def belongs_to(release: str, oldest: str, revision: str = "9999") -> None:
    """Mark the database as migrated by this later release."""
    with writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        session.execute(text("DELETE FROM schema_release"))
        session.add(schema.SchemaRelease(id=1, release=release, revision=revision, oldest=oldest))
    schema.forget()


def at_revision(revision: str) -> None:
    """Bring a new database to an older release's revision, with that release's own tables."""
    bound = engine()
    if bound.dialect.name == "sqlite":
        bound.dispose()
        shutil.copy(templates.sqlite(revision), str(bound.url.database))
    else:
        templates.bring_to(revision)
    schema.forget()
