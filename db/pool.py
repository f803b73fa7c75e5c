"""The pool: how many sessions a process may have at once, and which ones it gives back when they are not needed."""

import select
import threading
import time
from collections import deque
from typing import Any

from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, Pool

_RETURNED = "returned"
KNOWN_TO_LIVE = 1.0
"""For how many seconds after its last use a session is not asked whether it still lives, while its socket is quiet."""


class FewSessions(Pool):
    """At most `pool_size` sessions, also while one of them is slow to open. The one returned last is lent first, so
    those that are not needed stay idle, and `close_idle` closes them.

    SQLAlchemy's own pool closes none for being idle, and allows more than its size after it was disposed of. It also
    asks PostgreSQL before each use whether the session lives (`pool_pre_ping`), which costs as much as a vote; this one
    asks only those that were idle for a second, or whose socket has something to tell, such as that the server is gone.
    """

    def __init__(self, creator: Any, pool_size: int, timeout: float = 30.0, **others: Any) -> None:
        super().__init__(creator, **others)
        self.size, self.patience = pool_size, timeout
        self._idle: deque[ConnectionPoolEntry] = deque()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        self._known = 0
        """Those lent and those idle."""
        self._replaced = False

    def _do_get(self) -> ConnectionPoolEntry:
        with self._lock:
            if not self._idle and self._known >= self.size:
                self._wait()
            if self._idle:
                record = self._idle.pop()
                record.fresh = self._pre_ping and _lives(record)  # type: ignore[attr-defined]
                return record
            self._known += 1
        try:
            return self._create_connection()
        except BaseException:
            self._less(1)
            raise

    def _wait(self) -> None:
        self._waiting += 1
        try:
            if not self._changed.wait_for(lambda: self._idle or self._known < self.size, self.patience):
                raise PoolTimeout(f"all {self.size} connections are in use; none was returned in {self.patience:g} s")
        finally:
            self._waiting -= 1

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        record.record_info[_RETURNED] = time.monotonic()  # type: ignore[index]
        with self._lock:
            if not self._replaced and self._known <= self.size:
                self._idle.append(record)
                if self._waiting:
                    self._changed.notify()
                return
        self._close([record])

    def close_idle(self, seconds: float = 0.0) -> None:
        """Close those that were returned so long ago."""
        before = time.monotonic() - seconds
        with self._lock:
            old = [each for each in self._idle if each.record_info[_RETURNED] <= before]  # type: ignore[index]
            for each in old:
                self._idle.remove(each)
        self._close(old)

    def _close(self, records: list[ConnectionPoolEntry]) -> None:
        for each in records:
            try:
                each.close()
            finally:
                self._less(1)

    def _less(self, number: int) -> None:
        with self._lock:
            self._known -= number
            self._changed.notify()

    def dispose(self) -> None:
        """Close those that are idle; SQLAlchemy calls it. Those that are lent count until they are returned."""
        self.close_idle()

    def recreate(self) -> "FewSessions":
        """Another one, without any connection, that takes the place of this one; SQLAlchemy calls it."""
        self._replaced = True
        return FewSessions(
            self._creator, self.size, self.patience, recycle=self._recycle, echo=self.echo,
            logging_name=self._orig_logging_name, reset_on_return=self._reset_on_return, pre_ping=self._pre_ping,
            _dispatch=self.dispatch, dialect=self._dialect,
        )  # fmt: skip

    def status(self) -> str:
        return f"{self._known - len(self._idle)} of {self.size} connections in use, {len(self._idle)} idle"


def _lives(record: ConnectionPoolEntry) -> bool:
    """Whether a session was of use just now, and its server has neither closed it nor said anything since."""
    if time.monotonic() - record.record_info[_RETURNED] > KNOWN_TO_LIVE:  # type: ignore[index]
        return False
    try:
        watched = select.poll()
        watched.register(record.dbapi_connection.fileno(), select.POLLIN)  # type: ignore[union-attr]
        return not watched.poll(0)
    except Exception:  # psycopg has closed it already
        return False
