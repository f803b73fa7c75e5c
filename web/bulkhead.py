"""A bulkhead between readers and writers: beside a stuck writer, a thread of each process is left that answers pages.

A write may have to wait for whoever holds the database's lock, and the thread of its request waits with it. So a
request waits for a short time only, and those that write never hold all threads. One that finds their places taken by
others that have waited for long is refused at once: its own waiting would take the last thread from readers.
"""

import logging
import threading
import time
from threading import get_ident

from flask import Flask, request
from werkzeug.exceptions import ServiceUnavailable

from db.engine import wait_at_most
from web import limits

log = logging.getLogger(__name__)

LOCK_SECONDS = 2.5
"""How long a request waits for a lock in the database; workers, for whom nobody waits, have more patience."""
PLACE_SECONDS = 0.35
"""How long a request waits for a place, and after which those inside count as stuck: a vote takes a millisecond."""
RETRY_AFTER = 60
_READS = ("GET", "HEAD", "OPTIONS")
NOT_SAVED = "We couldn’t save this just now, so nothing was changed. Please try again in a minute."
"""What the reader of a page is told when the database refuses or delays what they sent."""


class Bulkhead:
    """Places for threads that write; None sets no limit."""

    def __init__(self, places: int | None) -> None:
        self.places = places
        self._inside: dict[int, float] = {}
        """Since when each thread has been inside."""
        self._changed = threading.Condition()

    def enter(self) -> bool:
        """Take a place, if need be after a short wait. False when there is none to be had soon."""
        if self.places is None:
            return True
        end = time.monotonic() + PLACE_SECONDS
        with self._changed:
            while len(self._inside) >= self.places:
                now = time.monotonic()
                if now >= end or now - max(self._inside.values()) > PLACE_SECONDS:
                    return False
                self._changed.wait(end - now)
            self._inside[get_ident()] = time.monotonic()
            return True

    def leave(self) -> None:
        """Give the place back, if this thread has one."""
        with self._changed:
            if self._inside.pop(get_ident(), None) is not None:
                self._changed.notify()


def install(app: Flask) -> None:
    """Let each request that may write pass through, and none wait for long for a lock."""
    threads = limits.web_threads()
    bulkhead = Bulkhead(None if threads is None else max(1, threads - 1))

    @app.before_request
    def enter() -> None:
        wait_at_most(LOCK_SECONDS)
        if request.method not in _READS and not bulkhead.enter():
            log.warning("503 %s %s: other writes wait for the database", request.method, request.url_rule)
            raise ServiceUnavailable(NOT_SAVED, retry_after=RETRY_AFTER)

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        wait_at_most(None)
        bulkhead.leave()
