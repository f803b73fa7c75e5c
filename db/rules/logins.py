"""Operators' logins: how many may fail, and how long the next one waits."""

from datetime import timedelta

LOGINS_FREE = 5
"""Failed logins in a row for one account after which the next one has to wait."""
NETWORK_LOGINS_FREE = 20
"""The same for a network: an office has more failures than a person, and a success does not reset it."""


def login_backoff(failures: int, free: int = LOGINS_FREE) -> timedelta | None:
    """The back-off after the n-th failed login in a row: 30 s after the last free one, doubled by each further one,
    at most 1 h."""
    if failures < free:
        return None
    return timedelta(seconds=min(30 * 2 ** min(failures - free, 7), 3600))
