"""The wake-up after a commit: one daemon thread per process publishes to Redis that there is work.

No request waits for Redis, since a frozen one blocks a publish for five seconds. A failed publish is not retried: each
worker looks at the tables by itself every two seconds (the rows are a transactional outbox).
"""

import contextlib
import os
import threading
import time

from db import session
from db.settings import settings
from worker.app import app
from worker.processes.schedule import BELLS, entry_of

PAUSE = 0.1
"""Publishes at most ten times a second per queue: a thousand votes in a second need one message."""


class Bell:
    """Collects the queues that this process's commits rang for, and publishes a message to each."""

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
                with contextlib.suppress(Exception):  # the workers' own looks find what no message announced
                    publish(queue)
            time.sleep(PAUSE)


def publish(bell: str) -> None:
    """Publish one message that holds only the task's name, unless one waits already. Fails within seconds when Redis is
    down."""
    settings().redis_url  # noqa: B018  raises BadSettings if there is none; Celery would fall back to its default broker
    entry = entry_of(BELLS[bell])
    app.send_task(entry.task, queue=entry.queue, retry=False, ignore_result=True)


_bell = Bell()


def attach() -> None:
    """Ring after each commit of this process from now on."""
    session.on_commit(_bell.ring)
