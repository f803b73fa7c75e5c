"""The Procfile's web line around an application, and what a client sees that writes its requests by hand."""

import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.crash.deployment import answers, free_port, procfile
from tests.crash.processes import until
from tests.prepared import Command


@dataclass
class Server:
    """A running web line."""

    port: int
    process: Command
    log: Path

    def said(self) -> str:
        return self.log.read_text()


@contextmanager
def served(application: str, folder: Path, **variables: str) -> Iterator[Server]:
    """The Procfile's web line with this application in place of the site's."""
    port, log = free_port(), folder / "web.log"
    words = [application if word == "web.app:app" else word for word in shlex.split(procfile()["web"])]
    environment = os.environ | {"PORT": str(port), "SECRET_KEY": "a key for tests"} | variables
    with open(log, "wb") as out:
        files = {"stdout": out.fileno(), "stderr": out.fileno()}
        process = Command(words, cwd=folder, env=environment, **files, leads_a_group=True)
    try:
        until(lambda: answers(port) and bool(say(port, ALIVE, 30).raw), "the web's start")
        yield Server(port, process, log)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass
class Heard:
    """What came back: the answers one after the other, and whether the server closed the connection then."""

    raw: bytes
    closed: bool

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.raw)]

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    def header(self, name: str) -> str | None:
        head = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1")
        found = [line.partition(":")[2].strip() for line in head.split("\r\n") if line.lower().startswith(f"{name}:")]
        return found[0] if found else None


ALIVE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
_SAYS_OK = b"\r\n\r\nok\n"


def say(port: int, request: bytes, patience: float = 5) -> Heard:
    """Send the request and then ask for /healthz on the same connection, until it is answered or the server closes."""
    end, raw = time.monotonic() + patience, b""
    with socket.create_connection(("127.0.0.1", port), patience) as client:
        with suppress(OSError):
            client.sendall(request)
        asked = False
        while time.monotonic() < end:
            if not asked and whole(raw):
                asked = True
                with suppress(OSError):
                    client.sendall(ALIVE)
            client.settimeout(max(0.05, min(0.5, end - time.monotonic())))
            try:
                got = client.recv(65536)
            except TimeoutError:
                continue
            except ConnectionResetError:
                got = b""
            raw += got
            if not got:
                return Heard(raw, closed=True)
            if asked and raw.endswith(_SAYS_OK):
                return Heard(raw[: raw.rindex(b"HTTP/1.1 200 OK")], closed=False)
    raise AssertionError(f"after {patience} s the connection hangs; it said {raw[:300]!r}")


def whole(raw: bytes) -> bool:
    """Whether the first final answer's head is there, and as much of a body as it tells of."""
    while raw.startswith(b"HTTP/1.1 100"):
        raw = raw.partition(b"\r\n\r\n")[2]
    head, gap, _ = raw.partition(b"\r\n\r\n")
    return bool(gap) and b"connection: close" not in head.lower()
