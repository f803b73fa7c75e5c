"""Run by Alembic: migrations go over the project's own engine, one process at a time."""

from alembic import context
from sqlalchemy import text

from db.session import engine
from db.tables import TABLES

ONE_AT_A_TIME = 7_205_261
"""A number of our own for PostgreSQL's advisory lock; SQLite's BEGIN IMMEDIATE needs none."""

with engine().connect() as connection:
    context.configure(connection=connection, target_metadata=TABLES, compare_type=True)
    with connection.begin():
        if connection.dialect.name != "sqlite":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": ONE_AT_A_TIME})
        with context.begin_transaction():
            context.run_migrations()
