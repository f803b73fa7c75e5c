"""Bulkheads: beside a stuck writer a thread is left to readers, and beside a silent database one that says so at once.

A write may have to wait for whoever holds the database's lock, and the thread of its request waits with it. So a
request waits for a short time only, and those that write never hold all threads. One that finds their places taken by
others that have waited for long is refused at once: its own waiting would take the last thread from readers.

A database that vanished or was frozen answers nobody, for as long as it takes the connections to time out. So all
requests that may ask it together leave one thread free, for /healthz and for refusals. Once it was silent for one of
them, the next asks it for a sign of life first, and all others are refused at once until it has given one.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

import structlog
from flask import Flask, current_app, request
from werkzeug.exceptions import ServiceUnavailable

from db.engine import wait_at_most
from db.errors import SQLAlchemyError
from db.refusals import is_lock
from db.session import reading, round_trip
from web import limits

log = structlog.get_logger("web")

LOCK_SECONDS = 2.5
"""How long a request waits for a lock in the database; workers, for whom nobody waits, have more patience."""
PLACE_SECONDS = 0.35
"""How long a request waits for a place, and after which those inside count as stuck: a vote takes a millisecond."""
SILENT_SECONDS = 1.0
"""How long the database may leave all requests inside without an answer before others are refused at once."""
RETRY_AFTER = 60
SERVED_ALWAYS = {"health.alive", "health.ready", "metrics.measured", "static"}
"""What is served without the database, or looks after it in a thread of its own."""
_READS = ("GET", "HEAD", "OPTIONS")
NOT_SAVED = "We couldn’t save this just now, so nothing was changed. Please try again in a minute."
"""What the reader of a page is told when the database refuses or delays what they sent."""


class Bulkhead:
    """Places for threads; None sets no limit. Nobody waits for one for longer than `patience`, and nobody waits at all
    while those inside have been there for so long."""

    def __init__(self, places: int | None, patience: float = PLACE_SECONDS) -> None:
        self.places, self.patience = places, patience
        self._inside: dict[int, float] = {}
        """Since when each thread has been inside."""
        self._changed = threading.Condition()

    def enter(self) -> bool:
        """Take a place, if need be after a short wait. False when there is none to be had soon."""
        end = time.monotonic() + self.patience
        with self._changed:
            while self.places is not None and len(self._inside) >= self.places:
                now = time.monotonic()
                if now >= end or now - max(self._inside.values()) > self.patience:
                    return False
                self._changed.wait(end - now)
            self._inside[get_ident()] = time.monotonic()
            return True

    def enter_at_once(self, most: int | None = None) -> bool:
        """Take a place if there is one now; with `most`, only if fewer than so many are inside."""
        most = self.places if most is None else most
        with self._changed:
            if most is not None and len(self._inside) >= most:
                return False
            self._inside[get_ident()] = time.monotonic()
            return True

    def enter_alone(self) -> bool:
        """Take a place only if nobody is inside."""
        return self.enter_at_once(1)

    def leave(self) -> None:
        """Give the place back, if this thread has one."""
        with self._changed:
            if self._inside.pop(get_ident(), None) is not None:
                self._changed.notify()

    def since(self) -> float:
        """For how many seconds this thread has been inside; 0 if it is not."""
        with self._changed:
            began = self._inside.get(get_ident())
        return time.monotonic() - began if began is not None else 0.0


class Silence:
    """Whether the database left a request without an answer lately, and who asks it again."""

    def __init__(self, places: Bulkhead) -> None:
        self.places = places
        self.known = False

    def enter(self) -> bool:
        """Take a place among the requests that ask the database; while it is silent, only after a sign of life."""
        if not self.known:
            return self.places.enter()
        if not self.places.enter_alone():
            return False
        try:
            with reading() as session:
                round_trip(session)
        except (SQLAlchemyError, OSError):
            self.places.leave()
            return False
        self.known = False
        return True

    def met(self) -> bool:
        """The database refused this thread's request, and not for a lock: if that took long, it was silent."""
        if self.places.since() >= SILENT_SECONDS:
            self.known = True
        return self.known


def met_silence(error: Exception) -> bool:
    """Whether this request waited in vain for a database that is silent; later requests are then refused at once."""
    return not is_lock(error) and _silence_of(current_app).met()


@contextmanager
def asks_at_once(app: Flask) -> Iterator[bool]:
    """For a page that is made before Flask begins: a place to ask the database from, as `install` gives each request.
    False where Flask has to wait for one, or has to ask a silent database for a sign of life."""
    silence = _silence_of(app)
    if silence.known or not silence.places.enter_at_once():
        yield False
        return
    wait_at_most(LOCK_SECONDS)
    try:
        yield True
    except SQLAlchemyError as error:
        if not is_lock(error):
            silence.met()  # while the place is still held, which tells for how long
        raise
    finally:
        wait_at_most(None)
        silence.places.leave()


def _silence_of(app: Flask) -> Silence:
    silence = app.extensions["silence"]
    assert isinstance(silence, Silence)
    return silence


def install(app: Flask) -> None:
    """Let each request that may ask the database or write pass through, and none wait for long for a lock."""
    threads = limits.web_threads()
    writers = Bulkhead(None if threads is None else max(1, threads - 2))
    silence = Silence(Bulkhead(None if threads is None else max(1, threads - 1), SILENT_SECONDS))
    app.extensions["silence"] = silence

    @app.before_request
    def enter() -> None:
        wait_at_most(LOCK_SECONDS)
        if request.endpoint in SERVED_ALWAYS:
            return
        if request.method not in _READS and not writers.enter():
            log.warning("other writes wait for the database")
            raise ServiceUnavailable(NOT_SAVED, retry_after=RETRY_AFTER)
        if not silence.enter():
            log.warning("the database does not answer")
            raise ServiceUnavailable(None if request.method in _READS else NOT_SAVED, retry_after=RETRY_AFTER)

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        wait_at_most(None)
        writers.leave()
        silence.places.leave()
