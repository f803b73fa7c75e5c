"""Who may be asked next: so many requests are under way at once, few to one receiver, and slow receivers hold up none.

A request that has lasted for three seconds no longer takes one of the places, and its receiver counts as slow until it
answers sooner again. All slow receivers together get few requests, one at a time each.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from db.jobs.jobs import Job

PLACES = 8
"""Requests to receivers that are not known to be slow."""
SLOW_PLACES = 4
MOST = 16
"""Threads at most: those of the places, and of requests that have become slow."""
PER_RECEIVER = 2
SLOW_SECONDS = 3.0


@dataclass(frozen=True)
class _Request:
    job: int
    receiver: str
    began: float

    @property
    def is_slow(self) -> bool:
        return time.monotonic() - self.began > SLOW_SECONDS


@dataclass
class Places:
    """The requests that are under way in this process, and which receivers were slow."""

    _changed: threading.Condition = field(default_factory=threading.Condition)
    _under_way: dict[int, _Request] = field(default_factory=dict)
    _slow: set[str] = field(default_factory=set)

    def are_free(self) -> bool:
        """Whether another request may begin."""
        with self._changed:
            quick = sum(not (each.is_slow or each.receiver in self._slow) for each in self._under_way.values())
            return quick < PLACES and len(self._under_way) < MOST

    def busy(self) -> set[str]:
        """The receivers to whom no further request is made just now."""
        with self._changed:
            slow = self._slow | {each.receiver for each in self._under_way.values() if each.is_slow}
            asked = Counter(each.receiver for each in self._under_way.values())
        if sum(asked[each] for each in slow) >= SLOW_PLACES:
            return slow | {each for each, number in asked.items() if number >= PER_RECEIVER}
        return {each for each, number in asked.items() if number >= (1 if each in slow else PER_RECEIVER)}

    def take(self, job: Job) -> None:
        """A request begins."""
        with self._changed:
            self._under_way[job.id] = _Request(job.id, job.receiver or "", time.monotonic())

    def leave(self, job: Job) -> None:
        """It is over."""
        with self._changed:
            ended = self._under_way.pop(job.id)
            (self._slow.add if ended.is_slow else self._slow.discard)(ended.receiver)
            self._changed.notify_all()

    def wait_until_empty(self, seconds: float) -> bool:
        """Wait until no request is under way. False if some still are after that time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, max(0.0, seconds))

    def jobs(self) -> list[int]:
        """The jobs whose requests are under way."""
        with self._changed:
            return sorted(self._under_way)
