"""Numbers that cost something to ask: kept for a moment, and the longer the more they cost."""

import time
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

from db.settings import settings

Answer = TypeVar("Answer")
TIMES = 20
"""A question that takes 100 ms is asked every two seconds at most: so it costs no more than a twentieth of a core."""


class Costly(Generic[Answer]):
    """A question whose answer is kept in this process for `least` seconds, or 20 times what asking took."""

    def __init__(self, ask: Callable[[Session, datetime], Answer], least: float = 1.0) -> None:
        self._ask, self._least = ask, least
        self._kept: tuple[str, float, Answer] | None = None
        self._lock = Lock()

    def __call__(self, session: Session, now: datetime) -> Answer:
        """The answer; another thread's question is not waited for by asking it again."""
        with self._lock:
            if self._kept is not None:
                url, until, answer = self._kept
                if url == settings().database_url and time.monotonic() < until:
                    return answer
            began = time.monotonic()
            answer = self._ask(session, now)
            ended = time.monotonic()
            self._kept = settings().database_url, ended + max(self._least, TIMES * (ended - began)), answer
            return answer

    def forget(self) -> None:
        """Ask anew the next time: somebody has just changed what it is about."""
        self._kept = None
