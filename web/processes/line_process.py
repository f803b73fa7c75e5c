"""One process of a Procfile line: begun in a session of its own, with a pipe for what it says, and ended."""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import NoReturn

from db.parent_death import end_with_parent
from web.processes.preloaded import Command, run_in_fork

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that tell the supervisor to end."""


class LineProcess:
    """A child process, like a subprocess.Popen whose program may also be a fork of ours."""

    def __init__(self, line: str, command: Command | None, forks: bool, environment: Mapping[str, str]) -> None:
        """`command` is what the line says, if it is one of ours; `forks` whether a fork of this process can run it.

        Raises OSError, and leaves nothing behind, when the machine has no room for another process.
        """
        self.code: int | None = None
        """How it ended; None while it runs."""
        self.output, writable = os.pipe()
        try:
            self.pid = _forked(lambda: _become(line, command, forks, environment), writable)
        except OSError:
            os.close(self.output)
            raise
        finally:
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


def _forked(become: Callable[[], NoReturn], output: int) -> int:
    """The id of a child process that does this and says to `output` what it says."""
    with contextlib.suppress(OSError):  # a full disk under the log is no reason to start nothing
        sys.stdout.flush()
        sys.stderr.flush()
    parent = os.getpid()
    # A signal that came between the fork and _begin() would be swallowed by the handler of this process.
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
    try:
        pid = os.fork()
        if pid == 0:
            try:
                _begin(output, parent)
                signal.pthread_sigmask(signal.SIG_SETMASK, masked)
                become()
            except BaseException:
                traceback.print_exc()
            os._exit(127)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)


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
