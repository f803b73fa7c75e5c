"""The yardstick of sending: `smtp-source` and `smtp-sink`, two C programs out of Debian's postfix package.

They are taken from PATH, or the package is downloaded and unpacked into a folder; nothing is installed or started as
a service.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import free_port, wait_until_open
from worker.redis import end_with_parent


class Missing(Exception):
    """The tools cannot be had here; the message says why."""


@dataclass(frozen=True)
class Postfix:
    """Where the two programs are, and the environment in which they run."""

    source_program: str
    sink_program: str
    environment: dict[str, str]

    @contextmanager
    def sink(self) -> Iterator[int]:
        """A mail server that takes everything, in a process of its own; its port."""
        port = free_port()
        command = [self.sink_program, *self._as_root(), f"127.0.0.1:{port}", "100"]
        process = subprocess.Popen(command, env=self.environment, preexec_fn=end_with_parent)
        try:
            wait_until_open(port)
            yield port
        finally:
            process.terminate()
            process.wait()

    def rate(self, port: int, message: Path, letters: int, connections: int) -> float:
        """Letters a second that smtp-source hands over, each the same message, on connections that it keeps."""
        command = [
            self.source_program, "-d", "-s", str(connections), "-m", str(letters), "-F", str(message),
            "-f", "digest@verdicts.example", "-t", "reader@reader.example", f"127.0.0.1:{port}",
        ]  # fmt: skip
        began = time.perf_counter()
        subprocess.run(command, env=self.environment, check=True, timeout=300)
        return letters / (time.perf_counter() - began)

    def _as_root(self) -> list[str]:
        return ["-u", "nobody"] if os.geteuid() == 0 else []


def tools(folder: Path) -> Postfix:
    """The programs, unpacked below `folder` if they are not installed; raises Missing."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    found = [shutil.which(name, path=path) for name in ("smtp-source", "smtp-sink")]
    environment = dict(os.environ)
    if not all(found):
        unpacked = _unpacked(folder)
        found = [str(unpacked / "usr/sbin" / name) for name in ("smtp-source", "smtp-sink")]
        environment["LD_LIBRARY_PATH"] = str(unpacked / "usr/lib/postfix")
    configuration = folder / "configuration"
    configuration.mkdir(exist_ok=True)
    (configuration / "main.cf").write_text("")
    environment["MAIL_CONFIG"] = str(configuration)
    made = Postfix(str(found[0]), str(found[1]), environment)
    probe = subprocess.run([made.sink_program], env=environment, capture_output=True, text=True, timeout=30)
    if "usage" not in probe.stderr:
        raise Missing(f"smtp-sink does not run here: {probe.stderr.strip()[-200:]}")
    return made


def _unpacked(folder: Path) -> Path:
    """Debian's package, downloaded and unpacked."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Missing("postfix's tools are not installed, and this is no Debian to download them on")
    for command in (["apt-get", "--quiet", "download", "postfix"], ["dpkg-deb", "--extract", "{}", "unpacked"]):
        package = next(map(str, folder.glob("postfix_*.deb")), "")
        done = subprocess.run(
            [word.replace("{}", package) for word in command], cwd=folder, capture_output=True, text=True, timeout=120
        )
        if done.returncode:
            raise Missing(f"{command[0]} could not get postfix: {done.stderr.strip()[-200:]}")
    return folder / "unpacked"
