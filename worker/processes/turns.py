"""The short transactions of a sending process, one at a time: so its connections need one database session more than
they hold, and one claim at most waits for the lock that all claims take."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from db import driver, session
from db.driver import DriverConnection
from db.session import Session

_turn = threading.Lock()
PATIENCE = 0.5
"""Seconds that a settlement waits for its turn: whoever has it may be waiting for another process."""


@contextmanager
def reading() -> Iterator[Session]:
    """db.session.reading(), once no other thread of this process is in a short transaction."""
    with _turn, session.reading() as opened:
        yield opened


@contextmanager
def writing() -> Iterator[Session]:
    """db.session.writing(), once no other thread of this process is in a short transaction."""
    with _turn, session.writing() as opened:
        yield opened


@contextmanager
def driver_connection() -> Iterator[DriverConnection]:
    """A driver connection for a few statements, once no other thread of this process is in a short transaction."""
    with _turn, driver.driver_connection() as opened:
        yield opened


@contextmanager
def settling(driver: DriverConnection) -> Iterator[None]:
    """On SQLite a settlement waits for its turn, too.

    Whoever finds SQLite's write lock taken sleeps for 1 to 100 ms before they look again, though it may be free long
    before: four connections slept for two fifths of their time. Who waits for a turn is woken at once.
    """
    mine = driver.sqlite and _turn.acquire(timeout=PATIENCE)
    try:
        yield
    finally:
        if mine:
            _turn.release()
