"""What `verdicts doctor` says of clocks: this machine's, and those of the other hosts."""

import socket
from collections.abc import Iterator
from datetime import timedelta

from db import moments
from db.monitoring import clocks
from db.session import reading, round_trip

WRONG = timedelta(seconds=10)
"""From here on the doctor's exit code is 1."""


def own() -> tuple[bool | None, str]:
    """Whether this machine's clock is right, and a sentence about it. Opening a session measures it."""
    with reading() as session:
        round_trip(session)
    by = moments.skew()
    if abs(by) < clocks.OFF:
        return True, "agrees with the database's"
    told = f"this machine's clock is {clocks.in_words(by)} of the database's: let NTP keep both right"
    return (False if abs(by) >= WRONG else None), told


def others() -> Iterator[tuple[bool | None, str]]:
    """The hosts that run processes of the site and whose clocks are off."""
    here = socket.gethostname()
    with reading() as session:
        found = clocks.off(session, moments.now())
    for host, by in found.items():
        if host != here or abs(moments.skew()) < clocks.OFF:
            yield None, f"the clock of host {host} is {clocks.in_words(by)} of the database's: let NTP keep it right"
