"""One host of the site: the Procfile's lines as they stand, on a computer, in a working folder of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.crash.deployment import procfile
from tests.hosts.network import Node
from worker.redis import end_with_parent

LINES = ("web", "worker", "sender", "outside", "clock")
PORT = 8000


class Host:
    """Its `environment` may be changed line by line; `tend` brings it back to how a healthy host runs."""

    def __init__(self, node: Node, folder: Path, environment: dict[str, str], lines: tuple[str, ...] = LINES) -> None:
        self.node, self.name, self.folder, self.lines = node, node.name, folder / node.name, lines
        self.folder.mkdir()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "PORT": str(PORT), "WEB_HOST": node.address, "HOME": str(self.folder)}
        self._environment = os.environ | environment | own
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._changed: dict[str, dict[str, str]] = {}

    def start(self, *names: str, **changed: str) -> None:
        """Start these lines (all of them by default), with these changes to the environment."""
        for name in names or self.lines:
            self._changed[name] = changed
            with open(self.log(name), "ab") as log:
                self._running[name] = self.node.popen(
                    ["/bin/sh", "-c", f"exec {_command(name, self.node.address)}"],
                    cwd=self.folder, env=self._environment | changed, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, start_new_session=True, preexec_fn=end_with_parent,
                )  # fmt: skip

    def kill(self, *names: str) -> None:
        """Kill these lines (all that run by default), with all that they started, at the same moment."""
        for name in names or tuple(self._running):
            if process := self._running.pop(name, None):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def end(self, *names: str, patience: float = 40) -> None:
        """End these lines (all that run by default) as a supervisor does: TERM, and KILL for who is left."""
        asked = [name for name in names or tuple(self._running) if name in self._running]
        for name in asked:
            self._running[name].terminate()
        for name in asked:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._running[name].wait(patience)
            self.kill(name)

    def restart(self, *names: str, **changed: str) -> None:
        asked = names or self.lines
        self.kill(*asked)
        self.start(*asked, **changed)

    def supervise(self) -> None:
        """Start those again that ended by themselves, as a supervisor would."""
        for name, process in tuple(self._running.items()):
            if process.poll() is not None:
                self.restart(name, **self._changed[name])

    def tend(self) -> None:
        """See to it that each line runs, with the site's own settings."""
        for name in self.lines:
            process = self._running.get(name)
            if process is None or process.poll() is not None or self._changed[name]:
                self.restart(name)

    def pids(self, name: str) -> list[int]:
        """The line's process and all that it started."""
        with contextlib.suppress(psutil.NoSuchProcess, KeyError):
            first = psutil.Process(self._running[name].pid)
            return [first.pid, *(child.pid for child in first.children(recursive=True))]
        return []

    def signal(self, name: str, what: signal.Signals) -> None:
        for pid in self.pids(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, what)

    def ended(self, name: str) -> bool:
        """Whether the line has ended by itself."""
        return name not in self._running or self._running[name].poll() is not None

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def command(self, *words: str) -> str:
        """What a command says that an operator types on this host."""
        asked = [*self.node.within, *words]
        told = subprocess.run(
            asked, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=120
        )
        return told.stdout + told.stderr

    def python(self, program: str) -> "subprocess.Popen[bytes]":
        """A Python process on this host, with the host's settings."""
        with open(self.log("python"), "ab") as log:
            return self.node.popen(
                [sys.executable, "-c", program], cwd=self.folder, env=self._environment, stdout=subprocess.PIPE,
                stderr=log, start_new_session=True, preexec_fn=end_with_parent,
            )  # fmt: skip


def _command(name: str, address: str) -> str:
    """The Procfile's line. One that names the loopback address listens on the host's own instead."""
    return procfile()[name].replace("--host 127.0.0.1", f"--host {address}")
