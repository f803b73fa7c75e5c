"""The bell after a commit: one thread a process tells the workers that something is owed.

No request waits for Redis: a frozen one holds a publish for five seconds. What the thread cannot say is not said
again, since the clock's sweep finds it.
"""

import contextlib
import os
import threading
import time

from db import session
from db.settings import settings
from worker.app import app
from worker.schedule import BELLS, entry_of

PAUSE = 0.1
"""At most ten times a second a queue: a thousand votes in a second are one message's worth of news."""


class Bell:
    """Collects the queues rung by this process's commits, and publishes for each of them."""

    def __init__(self) -> None:
        self._news: set[str] = set()
        self._lock = threading.Lock()
        self._rung = threading.Event()
        self._process = 0

    def ring(self, queues: frozenset[str]) -> None:
        """Called after a commit; costs a lock and never fails."""
        with self._lock:
            self._news |= queues
            if self._process != os.getpid():  # started on first use, so after any fork
                self._process = os.getpid()
                self._rung = threading.Event()
                threading.Thread(target=self._publish_for_ever, name="bell", daemon=True).start()
        self._rung.set()

    def _publish_for_ever(self) -> None:
        while True:
            self._rung.wait()
            self._rung.clear()
            with self._lock:
                queues, self._news = self._news, set()
            for queue in sorted(queues):
                with contextlib.suppress(Exception):  # the sweep finds what no bell announced
                    publish(queue)
            time.sleep(PAUSE)


def publish(bell: str) -> None:
    """Send one message: the task's name, which is all that it carries. Fails within seconds where Redis is away."""
    settings().redis_url  # noqa: B018  refused here in words, where there is none; Celery would look elsewhere
    entry = entry_of(BELLS[bell])
    app.send_task(entry.task, queue=entry.queue, expires=30, retry=False, ignore_result=True)


_bell = Bell()


def attach() -> None:
    """From now on, this process's commits ring."""
    session.on_commit(_bell.ring)
