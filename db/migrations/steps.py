"""Migration steps for tables in use: building an index while others write, and changing rows page by page."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

LOCK_SECONDS = 1
"""The lock_timeout of a change of columns; statements that queue behind it wait no longer than that."""
PAGE = 5_000
GAP = 0.1
"""Seconds between two pages on SQLite, where a waiting writer tries again every 100 ms at the latest."""


def has_column(table: str, column: str) -> bool:
    """Whether the column exists: an earlier run may have been killed after its columns and before its indexes."""
    return column in {each["name"] for each in sa.inspect(op.get_bind()).get_columns(table)}


def index(name: str, table: str, columns: Sequence[str], *, unique: bool = False, where: str | None = None) -> None:
    """Create an index, or build it again if it is invalid or covers other columns.

    On PostgreSQL it is built CONCURRENTLY, outside a transaction. So the migration's earlier steps are committed
    first, and must be safe to run again. On SQLite it is part of the revision's own transaction.
    """
    condition = sa.text(where) if where else None
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"DROP INDEX IF EXISTS {name}")
        op.create_index(name, table, list(columns), unique=unique, sqlite_where=condition)
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it waits for other transactions, but blocks no reader or writer
        if not _stands(op.get_bind(), name, columns):
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.create_index(
                name, table, list(columns), unique=unique, postgresql_where=condition, postgresql_concurrently=True
            )
        op.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")


def _stands(connection: Connection, name: str, columns: Sequence[str]) -> bool:
    valid = connection.scalar(
        sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(quote_ident(:name))"), {"name": name}
    )
    covers = connection.scalars(
        sa.text("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(quote_ident(:name)) ORDER BY attnum"),
        {"name": name},
    )
    return bool(valid) and list(covers) == list(columns)


class Overtaken(Exception):
    """Another process has finished this revision in the meantime."""


def pages(table: str, columns: Sequence[str]) -> Iterator[list[Any]]:
    """Yield the rows that a table has now in pages, ordered by `id`; the changes to each page commit by themselves.

    The migration has to be safe to run again. On PostgreSQL it calls this in an autocommit block; on SQLite the
    revision's transaction is committed after each page, and another one begun. Raises Overtaken.
    """
    last, end = 0, op.get_bind().scalar(sa.text(f"SELECT max(id) FROM {table}"))
    named = ", ".join(("id", *columns))
    query = sa.text(f"SELECT {named} FROM {table} WHERE id > :last AND id <= :end ORDER BY id LIMIT {PAGE}")
    while rows := list(op.get_bind().execute(query, {"last": last, "end": end})):
        yield rows
        last = rows[-1].id
        _give_way()


def _give_way() -> None:
    """On SQLite: release the write lock for a moment, and check whether another upgrade took it."""
    connection, context = op.get_bind(), op.get_context()
    if connection.dialect.name != "sqlite":
        return
    stood = context.get_current_revision()
    connection.exec_driver_sql("COMMIT")
    time.sleep(GAP)
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    if context.get_current_revision() != stood:
        raise Overtaken
