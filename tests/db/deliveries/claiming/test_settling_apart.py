"""Senders of one digest settle side by side: no row is counted up that each of them would have to lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text

from db.deliveries import accounts
from db.deliveries.claiming import claims, settlements
from db.deliveries.claiming.claims import Batch, Terms
from db.deliveries.claiming.settlements import Settlement
from db.digests import digests
from db.driver import DriverConnection, driver_connection
from db.session import reading, writing
from tests import crowded

LEASE = timedelta(seconds=60)
WITHIN_MS = 500
"""A row that the other transaction has locked is waited for no longer than this."""


@pytest.fixture
def digest(postgresql: str) -> int:
    """A digest on its way to some hundred readers."""
    crowded.fill(crowded.Size(readers=400, dead=6, succeeded=6, votes=6, orders=6, operators=2, finished=50, singles=2))
    with writing() as session:
        session.execute(text("DELETE FROM queue_pauses"))
        session.execute(text("DELETE FROM relays"))
        return digests.listed(session, ("sending",))[0].id


@contextmanager
def impatient() -> Iterator[DriverConnection]:
    """A sender's connection that gives up at once where it has to wait for another one's lock."""
    with driver_connection() as driver:
        driver.fetch(f"SELECT set_config('lock_timeout', '{WITHIN_MS}', false)", ())
        try:
            yield driver
        finally:
            driver.fetch("SELECT set_config('lock_timeout', '0', false)", ())


def take(digest_id: int, worker: str) -> Batch:
    terms = Terms(worker=worker, limit=8, win=8, lease=LEASE, connections=9)
    with writing() as session:
        batch = claims.claim(session, terms, digest_id, datetime.now(UTC))
    assert isinstance(batch, Batch)
    return batch


def settle(driver: DriverConnection, batch: Batch) -> None:
    done = [Settlement(letter.id, "sent", code=250, reply="250 2.0.0 taken") for letter in batch.letters]
    assert settlements.settle(driver, batch, done, (), LEASE, datetime.now(UTC)) == {}


def test_two_senders_of_one_digest_settle_without_waiting_for_each_other(digest):
    first, second = take(digest, "sender-1"), take(digest, "sender-2")
    before = sent(digest)
    with impatient() as one, impatient() as other, one.transaction():
        settle(one, first)
        settle(other, second)  # done and committed, while the first is neither
        assert sent(digest) == before + len(second.letters)
    assert sent(digest) == before + len(first.letters) + len(second.letters)


def test_a_counter_that_both_had_to_lock_would_be_noticed(digest):
    count = "UPDATE digests SET audience = audience + 1 WHERE id = ?"
    with impatient() as one, impatient() as other, one.transaction():
        one.execute(count, (digest,))
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(count, (digest,))


def sent(digest_id: int) -> int:
    with reading(snapshot=True) as session:
        return accounts.account(session, session.get_one(digests.Digest, digest_id)).states["sent"]
