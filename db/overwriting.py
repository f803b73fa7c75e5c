"""Overwrites what SQLite has deleted: rebuilds the file, and empties the write-ahead log.

`secure_delete` writes zeros over a deleted cell. But when SQLite moves cells between pages, their former places stay as
they were: of 2,000 erased addresses three still stood in the unused part of some page. Rebuilding the file leaves none.
"""

from db import engine
from db.driver import driver_connection

PATIENCE = 0.2
"""Seconds to wait for readers: a truncating checkpoint keeps all writers waiting meanwhile."""


def size() -> int | None:
    """The bytes of SQLite's file; None on PostgreSQL, where VACUUM is the server's own."""
    with driver_connection() as driver:
        if not driver.sqlite:
            return None
        [(pages,)], [(bytes_,)] = driver.fetch("PRAGMA page_count", ()), driver.fetch("PRAGMA page_size", ())
        return int(pages) * int(bytes_)


def rebuild() -> None:
    """Write the whole file anew, with nothing in it that is deleted. Writers wait: about a second per 100 MB."""
    with driver_connection() as driver:
        driver.execute("VACUUM", ())


def empty_log() -> bool:
    """Bring the write-ahead log into the file and truncate it. False while somebody reads an older state.

    On PostgreSQL there is nothing to do: the server recycles its own.
    """
    engine.wait_at_most(PATIENCE)
    try:
        with driver_connection() as driver:
            answer = driver.fetch("PRAGMA wal_checkpoint(TRUNCATE)", ()) if driver.sqlite else [(0, 0, 0)]
    finally:
        engine.wait_at_most(None)
    return not answer[0][0]
