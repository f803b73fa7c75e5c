"""The end of a worker: its parent tells the child processes, which begin nothing more, finish what they hold, and go.

The parent keeps the write end of a pipe, and each child reads from it: all of them see its end at the same moment, also
when the parent is killed. Celery's own soft shutdown tells them nothing, and sleeps for the whole of its time-out.
"""

import os
import threading

WORK_SECONDS = 20.0
"""How long a child that was told to end may go on with what it holds; after that it is broken off."""
BREAK_SECONDS = 4.0
"""How long a child that is broken off may take to store what it knows. Both together are less than the 30 seconds after
which supervisors kill."""

_asked = threading.Event()
_broken_off = threading.Event()
_pipe: tuple[int, int] | None = None


class BrokenOff(Exception):
    """The process must end now: store what is known, and begin nothing."""


def asked() -> bool:
    """Whether this process was told to end: then begin nothing more."""
    return _asked.is_set()


def sleep(seconds: float) -> None:
    """Sleep that long, or until this process is told to end."""
    _asked.wait(seconds)


def ask() -> None:
    """Tell this process to end."""
    _asked.set()


def is_broken_off() -> bool:
    """Whether this process has used up its time to end."""
    return _broken_off.is_set()


def break_off() -> None:
    """From now on whatever was interrupted says nothing about the other side: this process itself ended it."""
    _broken_off.set()


# ---- the pipe --------------------------------------------------------------------------------------------------


def prepare() -> None:
    """In the parent, before it forks: make the pipe that its children read."""
    global _pipe
    _pipe = os.pipe()


def tell_children() -> None:
    """In the parent: close its end of the pipe, which every child sees. To do it again changes nothing."""
    global _pipe
    if _pipe is not None and _pipe[1] >= 0:
        os.close(_pipe[1])
        _pipe = _pipe[0], -1


def listen() -> int:
    """In a child: the end of the pipe that becomes readable when the parent tells its children to end, or dies."""
    assert _pipe is not None, "prepare() was not called before the fork"
    if _pipe[1] >= 0:
        os.close(_pipe[1])  # or the pipe would never end, since this child could still write to it
    return _pipe[0]
