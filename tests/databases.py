"""What makes a database of its own cheap for each test: an emptied PostgreSQL, and statements that stay compiled."""

from collections.abc import Callable

import psycopg
from psycopg.sql import SQL, Identifier, Literal
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from db.tables import TABLES


class Emptying:
    """A connection of its own that returns a PostgreSQL database to the state after the migrations.

    Rows of a small table are deleted, a larger one is truncated: to truncate four tables takes 6 ms of CPU, to delete
    their few rows 0.5 ms. Neither runs triggers or checks foreign keys, since all is deleted.
    """

    LARGE = 65536
    """Bytes of a table from which on it is truncated, also when it grew by what earlier tests left dead."""

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
        self._connection.execute("SET session_replication_role = replica")
        asked = [
            SQL("SELECT {0}, pg_relation_size({0}) > {2} WHERE EXISTS (SELECT FROM {1})").format(
                Literal(each), Identifier(each), Literal(self.LARGE)
            )
            for each in TABLES.tables
            if each != "schema_release"
        ]
        self._filled = SQL(" UNION ALL ").join(asked)

    def empty(self) -> None:
        """Delete all rows. First end all other sessions: killed processes may have left them behind, holding locks."""
        order = self._connection.execute
        while order(self.OTHERS).rowcount:
            pass
        filled = order(self._filled).fetchall()
        for name, large in filled:
            if not large:
                order(SQL("DELETE FROM {}").format(Identifier(name)))
        if large_ones := [Identifier(name) for name, large in filled if large]:
            order(SQL("TRUNCATE {} CASCADE").format(SQL(", ").join(large_ones)))
        order(self.SEQUENCES)  # also those of a table whose rows were deleted or rolled back

    def close(self) -> None:
        self._connection.close()


# ---- compiled statements -------------------------------------------------------------------------------------

_first: dict[str, Engine] = {}


def sharing_compiled_statements(make: Callable[[str], Engine]) -> Callable[[str], Engine]:
    """`make`, whose engines use what the first engine of their kind has compiled.

    Each test has an engine of its own. To compile all its statements anew would take a third of the test's time.
    """

    def made(url: str) -> Engine:
        new = make(url)
        first = _first.get(new.dialect.name)
        if first is None or first.dialect.server_version_info is None:
            # A dialect learns its server's version from its own engine's first connection, and this had none.
            _first[new.dialect.name] = new
            return new
        # SQLAlchemy finds a compiled statement in the engine's cache by the dialect object and the statement.
        new.dialect, new._compiled_cache = first.dialect, first._compiled_cache
        return new

    return made
