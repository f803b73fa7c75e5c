"""Limits in this process's memory: who came too often lately, asked in a few microseconds and without the database."""

import math
import threading
from array import array
from collections import OrderedDict
from typing import NoReturn

from werkzeug.exceptions import TooManyRequests

MOST_KEYS = 65_536
"""Keys that one window remembers at once: more in a minute than a process has time to answer."""
CLOCK_SLACK = 1.0
"""Seconds that the clock may go back without meaning: threads read it one after the other."""


class SlidingWindow:
    """At most `most` in any stretch of `seconds`, for each key; 0 sets no limit. Safe between threads.

    A key is forgotten once its window is over and never before, so nobody gets rid of a count by crowding it out. While
    the table is full, keys that it does not know are refused: of the two failures, the one that lets nothing through.
    """

    def __init__(self, most: int, seconds: float, keys: int = MOST_KEYS) -> None:
        self.most, self.seconds, self.keys = most, seconds, keys
        self._times: OrderedDict[str, array[float]] = OrderedDict()
        """When each key was let through lately; the keys in the order of their last times."""
        self._latest = 0.0
        self._lock = threading.Lock()

    def take(self, key: str, now: float) -> float:
        """Let the key through and return 0, or return the seconds after which it will be let through."""
        if not self.most:
            return 0.0
        with self._lock:
            now = self._onward(now)
            self._forget(now)
            times = self._times.get(key)
            if times is None:
                if len(self._times) >= self.keys:
                    return next(iter(self._times.values()))[-1] + self.seconds - now
                times = self._times[key] = array("d")
            while times and times[0] + self.seconds <= now:  # the same sum as in the wait, which is then never 0
                times.pop(0)
            if len(times) >= self.most:
                return times[0] + self.seconds - now
            times.append(now)
            self._times.move_to_end(key)
            return 0.0

    def _onward(self, now: float) -> float:
        if now < self._latest - CLOCK_SLACK:  # the clock was set back: these times would stay for too long
            self._times.clear()
            self._latest = now
        self._latest = max(self._latest, now)
        return self._latest

    def _forget(self, now: float) -> None:
        for _ in range(4):  # more than come in by one call, and few enough that no single call is slow
            if not self._times or next(iter(self._times.values()))[-1] + self.seconds > now:
                return
            self._times.popitem(last=False)


class Refusals:
    """Whom the database refused, and until when, so that a flood is answered without asking it again."""

    def __init__(self, longest: float, keys: int = MOST_KEYS) -> None:
        self.longest, self.keys = longest, keys
        self._until: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: str, now: float) -> float:
        """The seconds for which this key is still refused; 0 when the database has to be asked."""
        wait = self._until.get(key, 0.0) - now
        return wait if 0 < wait <= self.longest else 0.0  # one that is longer is from before the clock was set back

    def keep(self, key: str, until: float) -> None:
        """Refuse this key until then. The oldest may be forgotten for it: then the database refuses it once more."""
        with self._lock:
            self._until.pop(key, None)
            while len(self._until) >= self.keys:
                self._until.popitem(last=False)
            self._until[key] = until


def refuse(wait: float, sentence: str) -> NoReturn:
    """Answer 429 with Retry-After (RFC 6585, RFC 9110 10.2.3); the sentence's `{wait}` says it in words."""
    seconds = max(1, math.ceil(wait - 1e-6))  # a minute that a sum of floats made longer is no second more
    raise TooManyRequests(sentence.format(wait=_in_words(seconds)), retry_after=seconds)


def _in_words(seconds: int) -> str:
    number, unit = (seconds, "second") if seconds < 120 else (math.ceil(seconds / 60), "minute")
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


# ---- the share of one process ----------------------------------------------------------------------------------


def share(most: int, processes: int) -> int:
    """One process's part of a limit, rounded down so that all of them together keep it; at least 1."""
    return max(1, most // processes) if most else 0


_served_by: tuple[int, int] | None = None
"""The processes of this one's server, and the threads of each; None under another server than the site's front."""


def served_by(processes: int, threads: int) -> None:
    """Called by the front before it makes the application: so many processes share the site's limits."""
    global _served_by
    _served_by = (processes, threads)


def web_processes() -> int:
    """The number of processes that this one's server runs; 1 under another server than the front."""
    return _served_by[0] if _served_by else 1


def web_threads() -> int | None:
    """The threads of this process that answer readers; None under another server than the front."""
    return _served_by[1] if _served_by else None
