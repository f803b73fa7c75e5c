"""What makes a database of its own cheap for each test: an emptied PostgreSQL, and statements that stay compiled."""

from collections.abc import Callable

import psycopg
from psycopg.sql import SQL, Identifier, Literal
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from db.tables import TABLES


class Emptying:
    """A connection of its own that returns a PostgreSQL database to the state after the migrations.

    Only tables with rows are truncated: truncating one takes as long as checking all of them for rows.
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
        """Delete all rows. First end all other sessions: killed processes may have left them behind, holding locks."""
        order = self._connection.execute
        while order(self.OTHERS).rowcount:
            pass
        if filled := [Identifier(name) for (name,) in order(self._filled)]:
            order(SQL("TRUNCATE {} CASCADE").format(SQL(", ").join(filled)))
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
