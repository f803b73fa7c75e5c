"""The one PostgreSQL database of a session of tests, emptied between them where anything stands in it."""

import psycopg
from psycopg.sql import SQL, Identifier, Literal
from sqlalchemy.engine import make_url

from db.tables import TABLES


class Emptying:
    """A connection beside the tests' own that leaves a PostgreSQL database as it was migrated.

    Only tables that hold rows are truncated: each one that is takes as long as all the questions together.
    """

    OTHERS = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    SEQUENCES = (
        "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)"
        " FROM pg_sequences WHERE last_value IS NOT NULL"
    )

    def __init__(self, url: str) -> None:
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection = psycopg.connect(plain, autocommit=True)
        asked = [SQL("SELECT {} WHERE EXISTS (SELECT FROM {})").format(Literal(each), Identifier(each))
                 for each in TABLES.tables if each != "schema_release"]  # fmt: skip
        self._filled = SQL(" UNION ALL ").join(asked)

    def empty(self) -> None:
        """Whoever else is still connected was left by a test that killed it, and goes first."""
        order = self._connection.execute
        while order(self.OTHERS).rowcount:
            pass
        if filled := [Identifier(name) for (name,) in order(self._filled)]:
            order(SQL("TRUNCATE {} CASCADE").format(SQL(", ").join(filled)))
        order(self.SEQUENCES)  # also those of a table whose rows were deleted or rolled back

    def close(self) -> None:
        self._connection.close()
