"""The Redis server that `verdicts up` has started: kept alive beside the Procfile's lines, and ended after them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from db.parent_death import end_with_parent
from web.processes.no_room import Room

PAUSE_SECONDS = 1.0
"""How long to wait between two starts."""


class Redis(NamedTuple):
    """A Redis server that `verdicts up` has started: its process, the command that starts it again, and the file that
    holds its address as long as it runs."""

    pid: int
    command: Sequence[str]
    address: str


class RedisProcess:
    """The Redis server of this site, which is started again when it ends; nothing in it has to be kept."""

    def __init__(self, given: Redis) -> None:
        self.pid, self.command, self.address = given
        self._start_at = 0.0
        self._room = Room()

    def keep_alive(self, say: Callable[[str], None]) -> None:
        if self._is_alive() or time.monotonic() < self._start_at or not self._room.may_try():
            return
        try:
            self._start()
        except OSError as error:
            say(self._room.refused("redis", error))
        else:
            self._room.found()
            self._start_at = time.monotonic() + PAUSE_SECONDS
            say("redis ended; starting it again.")

    def _start(self) -> None:
        self.pid = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=end_with_parent, umask=0o077,
        ).pid  # fmt: skip

    def _is_alive(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] == 0
        except ChildProcessError:  # its end was noticed before
            return False

    def stop(self) -> None:
        """End it with TERM, after ten seconds with KILL, and remove the file with its address."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._is_alive():
                os.kill(self.pid, number)
            end = time.monotonic() + 10
            while self._is_alive() and time.monotonic() < end:
                time.sleep(0.02)
        Path(self.address).unlink(missing_ok=True)
