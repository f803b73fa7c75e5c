"""One process of a Procfile line: begun in a session of its own, with a pipe for what it says, and ended."""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from typing import NoReturn

from db.parent_death import end_with_parent
from web.preloaded import Command, run_in_fork

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that tell the supervisor to end."""


class LineProcess:
    """A child process, like a subprocess.Popen whose program may also be a fork of ours."""

    def __init__(self, line: str, command: Command | None, forks: bool, environment: Mapping[str, str]) -> None:
        """`command` is what the line says, if it is one of ours; `forks` whether a fork of this process can run it."""
        self.output, writable = os.pipe()
        self.code: int | None = None
        """How it ended; None while it runs."""
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        # A signal that came between the fork and _begin() would be swallowed by the handler of this process.
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _begin(writable, parent)
                signal.pthread_sigmask(signal.SIG_SETMASK, masked)
                _become(line, command, forks, environment)
            except BaseException:
                traceback.print_exc()
            os._exit(127)
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        os.close(writable)

    def poll(self) -> int | None:
        """How it ended, or None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def signal(self, number: signal.Signals) -> None:
        """TERM to the process itself, which tells its children in its own time; KILL to all of them."""
        try:
            if number == signal.SIGKILL:
                os.killpg(self.pid, number)
            elif self.poll() is None:
                os.kill(self.pid, number)
        except ProcessLookupError:
            return


def _begin(output: int, parent: int) -> None:
    """What an exec would do: nothing of the parent's is open or caught in the child."""
    end_with_parent()
    if os.getppid() != parent:
        os._exit(1)  # it died before the kernel was asked
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for standard, each in enumerate((nothing, output, output)):
        os.dup2(each, standard)
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):  # the folder itself, which is closed by now
                os.close(int(name))
    for number in CAUGHT:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def _become(line: str, command: Command | None, forks: bool, environment: Mapping[str, str]) -> NoReturn:
    if command is None:
        os.execve("/bin/sh", ["/bin/sh", "-c", f"exec {line}"], dict(environment))
    if not forks:
        os.execve(sys.executable, command.fresh, {**environment, **command.variables})
    os.environ.clear()
    os.environ.update({**environment, **command.variables})
    run_in_fork(command.words)
