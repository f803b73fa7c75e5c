"""Back-offs: waits that grow with each failure up to a cap, spread by jitter; those of mail are here."""

from datetime import timedelta


def defer_backoff(attempt: int, jitter: float) -> timedelta:
    """How long a deferred letter waits after its n-th try: 7 min × 2ⁿ⁻¹, at most 4 h, ± 14 %.

    Greylisting asks for 5 minutes at least, so that 5 minutes ± 20 % would come too early half of the time.
    """
    return spread(grown(420.0, 2, attempt, 4 * 3600.0), jitter, 0.14)


def named_backoff(named: timedelta, attempt: int, jitter: float) -> timedelta:
    """The wait after a reply that names one: never earlier than that and up to 15 % later, at most 4 h.

    After its first try a letter waits no shorter than others do.
    """
    wait = timedelta(seconds=5) + named * (1 + 0.15 * jitter)
    return min(max(wait, defer_backoff(attempt, jitter)) if attempt > 1 else wait, timedelta(hours=4))


def put_off_backoff(time: int, jitter: float) -> timedelta:
    """How long a letter waits after the n-th refusal that is not its recipient's fault while others are taken: 1 min ×
    2ⁿ⁻¹, at most 4 h, ± 20 %."""
    return spread(grown(60.0, 2, time, 4 * 3600.0), jitter)


def day_backoff(failures: int, jitter: float) -> timedelta:
    """The wait after the n-th refusal that speaks of a day: 3 h × 1.4ⁿ⁻¹, at most 6 h, ± 10 %."""
    return spread(grown(3 * 3600.0, 1.4, failures, 6 * 3600.0), jitter, 0.1)


def breaker_backoff(failures: int, jitter: float) -> timedelta:
    """The breaker's back-off after the mail server's n-th refusal in a row: 5 s × 2ⁿ⁻¹, at most 5 min, ± 20 %."""
    return spread(grown(5.0, 2, failures, 300.0), jitter)


def grown(first: float, times: float, number: int, most: float) -> float:
    """The seconds of the n-th wait: `times` as long as the one before, up to `most`."""
    # After days of refusals `number` is in the thousands, and an unlimited power would overflow a float.
    return min(first * times ** min(number - 1, 20), most)


def spread(seconds: float, jitter: float, by: float = 0.2) -> timedelta:
    """The wait, up to `by` shorter or longer, by `jitter` in [0, 1)."""
    return timedelta(seconds=seconds * (1 - by + 2 * by * jitter))
