"""When the machine has no room for another process: what to say, and how long to wait before the next try."""

import errno
import time

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0

_REASONS = {
    errno.EAGAIN: "no more processes are allowed (ulimit -u, TasksMax of systemd, or a container's limit)",
    errno.ENOMEM: "the machine is out of memory",
    errno.EMFILE: "too many files are open (ulimit -n)",
}


class Room:
    """The tries to start one process: each that fails in a row waits twice as long as the one before it."""

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = 0.0

    def may_try(self) -> bool:
        return time.monotonic() >= self._until

    def found(self) -> None:
        """The process was started."""
        self._pause = 0.0

    def refused(self, name: str, error: OSError) -> str:
        """The process could not be started: wait, and say so in a sentence."""
        self._pause = min(2 * self._pause or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._until = time.monotonic() + self._pause
        reason = _REASONS.get(error.errno or 0, (error.strerror or str(error)).lower())
        return f"{name} cannot be started: {reason}. Trying again in {self._pause:g} s."
