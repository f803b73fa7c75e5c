"""A cache for expensive counts, refreshed in the background so that no page waits for them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import Any, ClassVar, Generic, TypeVar, cast

import structlog

from db.session import Session, on_one_core, reading
from db.settings import settings

Answer = TypeVar("Answer")
TIMES = 20
"""A query that takes 100 ms runs at most every two seconds, so it uses at most a twentieth of a core."""
log = structlog.get_logger("console")
_one_at_a_time = Lock()


@contextmanager
def counting() -> Iterator[Session]:
    """A transaction for a query that scans a million rows: one at a time, and without parallel workers.

    Five at once, or one on all cores, would keep the database from the pages and from the send.
    """
    with _one_at_a_time, reading(snapshot=True) as session:
        on_one_core(session)
        yield session


@dataclass(slots=True)
class _Kept(Generic[Answer]):
    """One database's last result, its expiry, and whether a refresh is running."""

    answers: list[Answer] = field(default_factory=list)
    until: float = 0.0
    asking: Event | None = None


class Cached(Generic[Answer]):
    """A cached query; its result is fresh for `least` seconds, or for 20 times its duration if that is longer.

    A page gets the last answer at once, and an old one is asked anew beside it. Only who comes first waits, and no
    longer than `patience`.
    """

    patience: ClassVar[float] = 0.05

    def __init__(self, ask: Callable[[Session, datetime], Answer], least: float = 1.0, *, queued: bool = True) -> None:
        self._ask, self._least = ask, least
        self._opened = counting if queued else reading
        self._lock = Lock()
        self._kept: dict[str, _Kept[Answer]] = {}

    def __call__(self) -> Answer | None:
        """The result; None until there is one."""
        [answer] = together(self)
        return cast(Answer | None, answer)

    def begin(self) -> tuple[_Kept[Answer], Event | None]:
        """Refresh in the background, unless the result is fresh or a refresh is running."""
        with self._lock:
            kept = self._kept.setdefault(settings().database_url, _Kept())
            if time.monotonic() >= kept.until and kept.asking is None:
                kept.asking = Event()
                Thread(target=self._refresh, args=(kept, kept.asking), name="question", daemon=True).start()
            return kept, kept.asking

    def _refresh(self, kept: _Kept[Answer], asking: Event) -> None:
        began = time.monotonic()
        try:
            with self._opened() as session:
                began = time.monotonic()
                kept.answers = [self._ask(session, datetime.now(UTC))]
        except Exception:
            log.exception("question failed")
        ended = time.monotonic()
        with self._lock:
            kept.until, kept.asking = ended + max(self._least, TIMES * (ended - began)), None
        asking.set()

    def forget(self) -> None:
        """Invalidate the result after a change."""
        with self._lock:
            self._kept = {}


def together(*questions: Cached[Any]) -> list[Any]:
    """The results of several queries that run in parallel, so that a page waits only once."""
    end = time.monotonic() + Cached.patience
    begun = [question.begin() for question in questions]
    rows = []
    for kept, asking in begun:
        if not kept.answers and asking is not None:
            asking.wait(max(0.0, end - time.monotonic()))
        rows.append(kept.answers[0] if kept.answers else None)
    return rows
