"""How the rows of a whole table are read and written on either kind of database, in pages and in constant memory."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Integer, Table

from db.copies.values import Values, canonical, kind_of
from db.tables import TABLES

PAGE = 5_000
NOT_COPIED = ("heartbeats", "page_version", "schema_release")
"""The signs of life of another site's processes; and what the target's own migrations and triggers have written."""


def tables() -> list[Table]:
    """The tables that are copied, those first that others refer to."""
    return [table for table in TABLES.sorted_tables if table.name not in NOT_COPIED]


def numbered(table: Table) -> str | None:
    """The name of the table's key if the database numbers its rows."""
    keys = list(table.primary_key)
    given = table.dialect_options["sqlite"].get("autoincrement")
    return keys[0].name if given and len(keys) == 1 and isinstance(keys[0].type, Integer) else None


class Place(Protocol):
    """A database that whole tables are read from, or written to, in one transaction that the caller has begun."""

    def read(self, table: Table) -> Iterator[list[Values]]: ...

    def write(self, table: Table, rows: Sequence[Values]) -> None: ...

    def count(self, table: Table) -> int: ...

    def last_id(self, table: Table) -> int:
        """The highest id that the database has given in this table, also to rows that were deleted since."""
        ...

    def set_last_id(self, table: Table, last: int) -> None: ...


def place(connection: Connection) -> Place:
    """That connection's database."""
    raw: Any = connection.connection.dbapi_connection
    return Sqlite(raw) if connection.dialect.name == "sqlite" else Postgresql(raw)


def _named(table: Table, form: str = '"{}"') -> str:
    return ", ".join(form.format(column.name) for column in table.columns)


class Sqlite:
    """SQLite, over its driver: a site's database, or a back-up file."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def read(self, table: Table) -> Iterator[list[Values]]:
        order = f' ORDER BY "{key}"' if (key := numbered(table)) else ""
        rows = self.raw.execute(f'SELECT {_named(table)} FROM "{table.name}"{order}')
        while page := rows.fetchmany(PAGE):
            yield canonical(table, page)

    def write(self, table: Table, rows: Sequence[Values]) -> None:
        marks = ", ".join("?" * len(table.columns))
        self.raw.executemany(f'INSERT INTO "{table.name}" ({_named(table)}) VALUES ({marks})', rows)

    def count(self, table: Table) -> int:
        return int(self.raw.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0])

    def last_id(self, table: Table) -> int:
        row = self.raw.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
        return int(row[0]) if row else 0

    def set_last_id(self, table: Table, last: int) -> None:
        self.raw.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
        self.raw.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, last))


class Postgresql:
    """PostgreSQL, over psycopg: read through a cursor on the server, written by COPY."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def read(self, table: Table) -> Iterator[list[Values]]:
        # JSON as the text that was stored: psycopg would make objects of it.
        named = ", ".join(f'"{each.name}"' + ("::text" if kind_of(each) == "json" else "") for each in table.columns)
        order = f' ORDER BY "{key}"' if (key := numbered(table)) else ""
        with self.raw.cursor(name="whole_table") as rows:
            rows.execute(f'SELECT {named} FROM "{table.name}"{order}')
            while page := rows.fetchmany(PAGE):
                yield canonical(table, page)

    def write(self, table: Table, rows: Sequence[Values]) -> None:
        moments = [at for at, column in enumerate(table.columns) if kind_of(column) == "moment"]
        flags = [at for at, column in enumerate(table.columns) if kind_of(column) == "boolean"]
        with self.raw.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({_named(table)}) FROM STDIN') as copy:
            for row in rows:
                values = list(row)
                for at in moments:
                    values[at] = str(values[at]) + "+00" if values[at] is not None else None
                for at in flags:
                    values[at] = bool(values[at]) if values[at] is not None else None
                copy.write_row(values)

    def count(self, table: Table) -> int:
        with self.raw.cursor() as cursor:
            return int(cursor.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0])

    def last_id(self, table: Table) -> int:
        with self.raw.cursor() as cursor:
            name = self._sequence(cursor, table)
            last, called = cursor.execute(f"SELECT last_value, is_called FROM {name}").fetchone()
        return int(last) if called else 0

    def set_last_id(self, table: Table, last: int) -> None:
        with self.raw.cursor() as cursor:
            given = (self._sequence(cursor, table), max(last, 1), last > 0)
            cursor.execute("SELECT setval(%s::regclass, %s, %s)", given)

    def _sequence(self, cursor: Any, table: Table) -> str:
        asked = (f'"{table.name}"', numbered(table))
        return str(cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", asked).fetchone()[0])
