"""A few threads that answer whole requests, and a short queue before them; what does not fit is refused at once."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic
from typing import Protocol

MOST_WAITING = 64
"""Requests that wait in one process; a page takes some milliseconds."""
PATIENCE = 1.0
"""Seconds after which a request that no thread has begun is refused, and with it those that come after it."""

log = logging.getLogger(__name__)


class Job(Protocol):
    """What a thread does, once, unless the loop has refused it before."""

    at: float
    claim: Callable[[], object]
    """Raises IndexError for whoever comes second, thread or loop."""

    def run(self) -> None: ...
    def refuse(self) -> None: ...


class Threads:
    """The threads of one process. `offer` and `give_up` are called in the loop alone."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._offered: deque[Job] = deque()
        """Those that wait, oldest first; a thread that begins one takes it from here."""
        self._began = [0.0] * number
        """When each thread began what it is at; 0 while it waits."""

    def start(self) -> None:
        for number in range(self.number):
            threading.Thread(target=self._work, args=(number,), name=f"request-{number}", daemon=True).start()

    def offer(self, job: Job) -> bool:
        """Queue the job; False when there is no room for it."""
        waiting, now = self._offered, monotonic()
        if waiting and (len(waiting) >= MOST_WAITING or now - waiting[0].at > PATIENCE):
            return False
        if all(self._began) and now - max(self._began) > PATIENCE:
            return False  # none of them has ended anything for a while
        waiting.append(job)
        self._queue.put(job)
        return True

    def give_up(self) -> None:
        """Refuse those that have waited for too long."""
        while self._offered and monotonic() - self._offered[0].at > PATIENCE:
            try:
                job = self._offered[0]
                job.claim()
            except IndexError:
                return  # a thread has just begun it
            self._offered.popleft()
            job.refuse()

    def _work(self, number: int) -> None:
        while (job := self._queue.get()) is not None:
            try:
                job.claim()
            except IndexError:
                continue
            self._offered.popleft()
            self._began[number] = monotonic()
            try:
                job.run()
            except Exception:
                log.exception("a request failed outside the application")
            self._began[number] = 0.0

    def end(self) -> None:
        """Let the threads end after what is queued."""
        for _ in range(self.number):
            self._queue.put(None)
