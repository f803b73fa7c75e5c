"""One line of the Procfile: the process that runs it just now, and when it may be started again."""

import signal
import time
from collections.abc import Mapping

from web.processes.line_process import LineProcess
from web.processes.no_room import Room
from web.processes.preloaded import ours

SHORT_LIFE_SECONDS = 10
PAUSE_SECONDS = 1.0
"""How long to wait before a restart, for each short life in a row."""
LONGEST_PAUSE_SECONDS = 30.0
SHORT_LIVES = 4
"""After so many short lives in a row, and none that was longer before, a line is given up: something is wrong with it,
and with the site. One that has run well meets a trouble that may pass, such as a machine without room for its children,
and the other lines serve on meanwhile."""


class ProcfileLine:
    """It has a process or none; without one it waits for its next start."""

    def __init__(self, name: str, command: str) -> None:
        self.name = name
        self.line = command
        self.command = ours(command)
        self.process: LineProcess | None = None
        self.room = Room()
        self.told = False
        """Whether the log already says that this process is not restarted."""
        self._short_lives = 0
        self._has_run_well = False
        self._started = self._start_at = 0.0

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def is_hopeless(self) -> bool:
        """Whether it has only ever ended as soon as it had started, and often enough."""
        return not self._has_run_well and self._short_lives >= SHORT_LIVES

    @property
    def may_start(self) -> bool:
        """Whether it has waited long enough; it does not wait to be given up."""
        return self.is_hopeless or (time.monotonic() >= self._start_at and self.room.may_try())

    def start(self, environment: Mapping[str, str], forks: bool) -> LineProcess:
        """Start its process. Raises OSError when the machine has no room for one."""
        self.process = LineProcess(self.line, self.command, forks, environment)
        self._started = time.monotonic()
        self.room.found()
        return self.process

    def clear_up(self) -> str:
        """Its process has ended: let it go, and say how it ended."""
        assert self.process is not None
        assert self.process.code is not None
        self.signal(signal.SIGKILL)  # children without their parent would hold the port or a claim
        code, self.process, now = self.process.code, None, time.monotonic()
        was_short = now - self._started < SHORT_LIFE_SECONDS
        self._short_lives = self._short_lives + 1 if was_short else 0
        self._has_run_well |= not was_short
        self._start_at = now + min(self._short_lives * PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self.told = False
        return f"{self.name} ended ({f'killed by signal {-code}' if code < 0 else f'exit code {code}'})."

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.signal(number)
