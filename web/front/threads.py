"""A few threads that answer whole requests, and a short queue before them; what does not fit is refused at once."""

import logging
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue
from time import monotonic
from typing import Protocol

MOST_WAITING = 64
"""Requests that wait in one process, of each kind; a page takes some milliseconds."""
PATIENCE = 2.0
"""Seconds after which a request that no thread has begun is refused, and with it those that come after it."""
LONGEST_WAIT = 1.0
"""Whoever would have to wait for longer, by what requests took lately, is refused at once."""

STUCK_SECONDS = 600.0
"""When every thread has been in one request for so long, and none has made a byte of its answer meanwhile, they will
not come back. Gunicorn cannot see it, since the loop is alive: the process ends itself and is replaced."""

log = logging.getLogger(__name__)


class Job(Protocol):
    """What a thread runs, or the loop refuses."""

    at: float
    """Since when it waits, by the monotonic clock."""

    moved: float
    """When it last got on: a thread began it, or a piece of its answer was made."""

    def run(self) -> None: ...
    def refuse(self) -> None: ...


class Threads:
    """The threads of one process. `offer` and `give_up` are called in the loop alone."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._first: deque[Job] = deque()
        self._second: deque[Job] = deque()
        self._tokens: SimpleQueue[bool] = SimpleQueue()
        """One for each job; False ends a thread."""
        self._at: list[Job | None] = [None] * number
        self._began = [0.0] * number
        """When each thread began what it is at; 0 while it waits."""
        self._usual = 0.0
        """The seconds that a request took lately, on the average; of the last twenty or so."""

    def start(self) -> None:
        for number in range(self.number):
            threading.Thread(target=self._work, args=(number,), name=f"request-{number}", daemon=True).start()

    def offer(self, job: Job, *, first: bool) -> bool:
        """Queue the job, before all that are not `first`; False when there is no room for it."""
        waiting, now = self._first if first else self._second, monotonic()
        if waiting and (len(waiting) >= MOST_WAITING or now - waiting[0].at > PATIENCE):
            return False
        before = len(self._first) + (0 if first else len(self._second))
        if before * self._usual / self.number > LONGEST_WAIT:
            return False
        if all(self._began) and now - max(self._began) > PATIENCE:
            return False  # none of them has ended anything for a while
        waiting.append(job)
        self._tokens.put(True)
        return True

    def give_up(self) -> None:
        """Refuse those that have waited for too long."""
        late = monotonic() - PATIENCE
        for waiting in (self._first, self._second):
            while waiting and waiting[0].at < late and (job := _next(waiting)) is not None:
                job.refuse()  # if a thread took the late one just now, it is the next, which is hardly younger

    def are_stuck(self) -> bool:
        """Whether no request has got on for so long that no thread will ever be free again."""
        late = monotonic() - STUCK_SECONDS
        return all(job is not None and job.moved < late for job in self._at)

    def where(self) -> Iterator[str]:
        """Where in the code each thread is: `request-3 in db/votes/cast.py:71, ...`, the innermost call first."""
        frames = sys._current_frames()
        for thread in threading.enumerate():
            if thread.name.startswith("request-") and thread.ident in frames:
                calls = traceback.extract_stack(frames[thread.ident])[:-6:-1]
                yield f"{thread.name} in " + ", ".join(f"{_short(each.filename)}:{each.lineno}" for each in calls)

    def _work(self, number: int) -> None:
        while self._tokens.get():
            job = _next(self._first) or _next(self._second)
            if job is None:
                continue  # the loop has given it up
            began = self._began[number] = job.moved = monotonic()
            self._at[number] = job
            try:
                job.run()
            except Exception:
                log.exception("a request failed outside the application")
            self._at[number], self._began[number] = None, 0.0
            self._usual += (monotonic() - began - self._usual) / 20

    def end(self) -> None:
        """Let the threads end after what is queued."""
        for _ in range(self.number):
            self._tokens.put(False)


def _short(path: str) -> str:
    return "/".join(path.split(os.sep)[-3:])


def _next(waiting: deque[Job]) -> Job | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None
