"""Jobs: how often they are tried, how long an attempt may take, and how long a failed one waits."""

from datetime import timedelta

from db.rules.backoffs import grown, spread

JOB_ATTEMPTS = 6
JOB_LEASE = timedelta(seconds=180)
"""Above the worker's hard limit of 150 s, so that a lapsed lease means a dead worker."""
OUTSIDE_LEASE = timedelta(seconds=90)
"""Above the ten seconds that a request may take, and the minute for which its end is tried to be stored."""


def job_backoff(attempt: int, jitter: float) -> timedelta:
    """How long a failed job waits after its n-th attempt: 30 s × 4ⁿ⁻¹, at most 6 h, ± 20 % by `jitter` in [0, 1)."""
    return spread(grown(30.0, 4, attempt, 6 * 3600.0), jitter)


PATIENT_JOBS = frozenset({"PersonsErased", "TracesMasked", "ErasureWritten"})
"""What is owed to somebody who was erased is tried until it succeeds: such a job is never dead by itself."""


def patient_backoff(attempt: int, jitter: float) -> timedelta:
    """How long such a job waits after its n-th attempt: 2 s × 2ⁿ⁻¹, at most 5 min, ± 20 %."""
    return spread(grown(2.0, 2, attempt, 300.0), jitter)
