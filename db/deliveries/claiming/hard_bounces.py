"""Suppresses an address that a mail server says does not exist: in the transaction that settles its letter, or in the
one that hears of a bounce."""

import re
from collections.abc import Sequence
from datetime import datetime

from db.addresses import key_of
from db.deliveries.claiming.claims import Batch
from db.deliveries.exceptions import shape
from db.deliveries.limits.breakers import domain_of
from db.driver import DriverConnection


def lock(driver: DriverConnection, batch: Batch) -> None:
    """On PostgreSQL: let no stop rule trip for this digest before our transaction ends, so that it sees what we insert.

    Shared, so that senders do not wait for each other. SQLite has one writer at a time.
    """
    if batch.digest_id is not None:
        driver.fetch("SELECT id FROM digests WHERE id = ? FOR SHARE", (batch.digest_id,))


def suppress(driver: DriverConnection, batch: Batch, refused: Sequence[tuple[int, str | None]], now: datetime) -> None:
    """Suppress the addresses of these letters; each comes with the server's words. One that is suppressed already keeps
    its reason. While its domain is held or its digest stopped for hard refusals, the suppression is suspected."""
    letters = {letter.id: letter for letter in batch.letters}
    for id_, reply in refused:
        suppress_one(driver, letters[id_].address, letters[id_].hashes, batch.digest_id, reply or "", now)


def suppress_one(
    driver: DriverConnection, address: str, hashes: Sequence[str], digest_id: int | None, reply: str, now: datetime
) -> None:
    """Suppress one address, which has these keyed hashes, because of a digest's letter or (None) a single one."""
    at, domain = driver.at(now), domain_of(address)
    among = "(" + ", ".join("?" * len(hashes)) + ")"
    if driver.execute(_AGAIN.format(among=among), (at, *hashes)):
        return
    note, key = without(address, reply), key_of(address)
    stop = (domain, digest_id)
    row = (hashes[0], at, note, key, digest_id, *stop, *stop, at)
    driver.execute(_INSERT.format(among=among), (*row, *hashes))


_AGAIN = "UPDATE suppressions SET at = ? WHERE address_hash IN {among} AND reason = 'hard bounce'"
_STOP = (
    " FROM stops WHERE ended_at IS NULL AND rule = 'hard'"
    " AND (domain = ? OR (domain IS NULL AND digest_id = CAST(? AS bigint)))"
)
_INSERT = f"""
    INSERT INTO suppressions (address_hash, reason, at, note, subscriber_id, digest_id, suspected_at)
    SELECT ?, 'hard bounce', ?, ?, (SELECT id FROM subscribers WHERE address_key = ?),
        coalesce(CAST(? AS bigint), (SELECT min(digest_id){_STOP})), CASE WHEN EXISTS (SELECT 1{_STOP}) THEN ? END
    WHERE NOT EXISTS (SELECT 1 FROM suppressions WHERE address_hash IN {{among}})
    ON CONFLICT (address_hash) DO NOTHING
"""


def without(address: str, reply: str) -> str:
    """A server's words without the address, its two parts, and numbers: the list names nobody."""
    for part in sorted((address, *address.rsplit("@", 1)), key=len, reverse=True):
        reply = re.sub(rf"\S*{re.escape(part)}\S*", "…", reply, flags=re.IGNORECASE)
    return shape(reply)
