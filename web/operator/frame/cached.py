"""A cache for expensive counts, refreshed in the background so that no page waits for them."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from threading import Event, Lock, Thread
from typing import Any, ClassVar, Generic, TypeVar, cast

import structlog

from db import moments
from db.session import Session, on_one_core, reading
from db.settings import settings

Answer = TypeVar("Answer")
TIMES = 20
"""A query that takes 100 ms runs at most every two seconds, so it uses at most a twentieth of a core."""
LEAST = 1.0
"""The shortest time in seconds for which a result stays fresh."""
log = structlog.get_logger("console")
_one_at_a_time = Lock()


@contextmanager
def counting() -> Iterator[Session]:
    """A transaction for a query that scans a million rows: one at a time, and without parallel workers.

    Five such queries at once, or a single one on all cores, would slow down the pages and the senders.
    """
    with _one_at_a_time, reading(snapshot=True) as session:
        on_one_core(session)
        yield session


def fresh_for(took: float, least: float = LEAST) -> float:
    """How many seconds to keep the result of a query that took `took` seconds."""
    return max(least, TIMES * took)


class Entry(Generic[Answer]):
    """One query's last result, its expiry, and whether a refresh is running; `answer` is None until there is one."""

    def __init__(self, least: float = LEAST, opened: Callable[[], AbstractContextManager[Session]] = counting) -> None:
        self.answer: Answer | None = None
        self.until, self._least, self._opened = 0.0, least, opened
        self._mark: object = None
        self._asking: Event | None = None
        self._lock = Lock()

    def begin(self, ask: Callable[[Session], Answer], mark: object = None) -> Event | None:
        """Refresh in the background, unless the result is fresh or a refresh is running.

        A result counts as fresh only for the `mark` with which it was computed, so a new mark invalidates it. Returns
        an event that is set when the running refresh ends, or None if the result is fresh.
        """
        with self._lock:
            if self._asking is None and (time.monotonic() >= self.until or mark != self._mark):
                self._asking = Event()
                Thread(target=self._refresh, args=(ask, mark, self._asking), name="question", daemon=True).start()
            return self._asking

    def _refresh(self, ask: Callable[[Session], Answer], mark: object, asking: Event) -> None:
        began = time.monotonic()
        try:
            with self._opened() as session:
                began = time.monotonic()
                self.answer = ask(session)
        except Exception:
            log.exception("question failed")
        ended = time.monotonic()
        with self._lock:
            self.until, self._mark, self._asking = ended + fresh_for(ended - began, self._least), mark, None
        asking.set()


class Cached(Generic[Answer]):
    """A cached query; its result is fresh for `least` seconds, or for 20 times its duration if that is longer.

    A page gets the last result at once, while a stale one is refreshed in a background thread (stale-while-revalidate).
    Only when there is no result yet does a page wait, for at most `patience` seconds.
    """

    patience: ClassVar[float] = 0.05

    def __init__(
        self, ask: Callable[[Session, datetime], Answer], least: float = LEAST, *, queued: bool = True
    ) -> None:
        self._ask, self._least = ask, least
        self._opened: Callable[[], AbstractContextManager[Session]] = counting if queued else reading
        self._kept: dict[str, Entry[Answer]] = {}

    def __call__(self) -> Answer | None:
        """The result; None until there is one."""
        [answer] = together(self)
        return cast(Answer | None, answer)

    def begin(self) -> tuple[Entry[Answer], Event | None]:
        """This database's entry, and the event of its running refresh."""
        entry = self._kept.setdefault(settings().database_url, Entry(self._least, self._opened))
        return entry, entry.begin(lambda session: self._ask(session, moments.now()))

    def forget(self) -> None:
        """Invalidate the result after a change, and ignore a refresh that is running now."""
        self._kept = {}


def together(*questions: Cached[Any]) -> list[Any]:
    """The results of several queries that run in parallel, so that a page waits only once."""
    end = time.monotonic() + Cached.patience
    begun = [question.begin() for question in questions]
    for entry, asking in begun:
        if entry.answer is None and asking is not None:
            asking.wait(max(0.0, end - time.monotonic()))
    return [entry.answer for entry, _ in begun]
