"""The sending pace: the allowed rate, and the window (letters begun and not yet settled)."""

import time
from collections.abc import Callable

from db import rules


class Pace:
    """Spaces letters out at the rate, and keeps a moving average of the time that one takes.

    `rate` is in letters a second (0: no limit), shared by the threads of this process; `ceiling` is SEND_WINDOW.
    """

    def __init__(self, rate: float, ceiling: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap = 1 / rate if rate > 0 else 0.0
        self._ceiling = ceiling
        self._clock = clock
        self._next = clock()
        self._each = 0.0

    def wait(self) -> float:
        """Seconds to wait before the next letter may begin; this reserves its place."""
        if not self._gap:
            return 0.0
        now = self._clock()
        self._next = max(self._next, now) + self._gap
        return self._next - self._gap - now

    def took(self, seconds: float) -> None:
        """Record how long one letter took, from its first byte to its reply; the last dozen weigh most."""
        self._each = seconds if not self._each else self._each + (seconds - self._each) / 12

    @property
    def is_set(self) -> bool:
        """Whether a rate limit spaces the letters."""
        return self._gap > 0

    @property
    def window(self) -> int:
        """The window: letters that may be begun before the next settlement."""
        return rules.window(max(self._each, self._gap), self._ceiling)

    @property
    def batch(self) -> int:
        """The number of letters to claim at once."""
        return rules.batch(max(self._each, self._gap))
