"""No thread of the product outlives its test: it would read the settings, and ask the database, of later tests."""

import threading
import time
from collections.abc import Set

FLOORS = ("db", "emails", "worker", "web")
PATIENCE = 30.0
"""Seconds for threads that end by themselves, such as the refresh of a count that a page did not wait for."""


def wait_until_ended(others: Set[threading.Thread], patience: float = PATIENCE) -> None:
    """Wait for the threads of the product but `others`, those that ran before the test. Fails if one does not end."""
    end = time.monotonic() + patience
    begun = [each for each in threading.enumerate() if each not in others and _is_of_the_product(each)]
    for each in begun:
        each.join(max(0.0, end - time.monotonic()))
    alive = sorted(each.name for each in begun if each.is_alive())
    assert not alive, f"threads that the test began live on: {', '.join(alive)}"


def _is_of_the_product(thread: threading.Thread) -> bool:
    return getattr(getattr(thread, "_target", None), "__module__", "").partition(".")[0] in FLOORS
