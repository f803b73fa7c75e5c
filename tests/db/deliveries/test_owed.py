"""From addressing to the end: who is owed a letter, how long, and when a digest is finished."""

import threading
from datetime import timedelta

from sqlalchemy import text

from db.deliveries import addressing, deliveries, exceptions
from db.deliveries.claiming import claims, settlements
from db.deliveries.claiming.settlements import Settlement
from db.deliveries.deliveries import Delivery
from db.digests import digests
from db.driver import driver_connection
from db.session import reading, writing
from tests.claiming import LEASE, NOW, WIN, claim, make_digest, recover, settle, states


def test_a_deferred_letter_is_claimed_again_when_its_time_comes(digest):
    batch = claim(digest, 1)
    assert batch is not None
    later = NOW + timedelta(minutes=5)
    with driver_connection() as connection:
        told = Settlement(batch.letters[0].id, "deferred", "deferred at rcpt", 451, "451 4.7.1 later", later)
        settlements.settle(connection, batch, [told], (), LEASE, NOW)
    with writing() as session:
        claims.release(session, batch, NOW)
    assert len((claim(digest) or batch).letters) == 29
    again = claim(digest, at=later)
    assert again is not None
    assert [(letter.id, letter.tries) for letter in again.letters] == [(batch.letters[0].id, 1)]


def test_a_letter_is_given_up_after_its_time(digest):
    batch = claim(digest, at=NOW + timedelta(hours=49))
    assert batch is not None
    assert batch.letters == ()
    assert states() == {"failed": 30}


def test_letters_that_were_given_up_and_are_owed_again_by_hand_go_out(digest):
    monday = NOW + timedelta(hours=49)
    claim(digest, at=monday)
    with writing() as session:
        assert len(exceptions.retry(session, digest, monday)) == 30
    batch = claim(digest, at=monday)
    assert batch is not None
    assert len(batch.letters) == 30


def test_a_digest_is_finished_only_when_nothing_is_owed_or_in_doubt(digest):
    batch = claim(digest)
    assert batch is not None
    settle(batch, batch.letters[:-WIN])

    def finished() -> bool:
        with writing() as session:
            return deliveries.finish(session, digest, NOW)

    assert not finished(), "some are being sent"
    recover()
    assert states() == {"sent": 26, "unknown": 4}
    assert not finished(), "some are in doubt"
    with writing() as session:
        assert len(exceptions.resolve(session, digest, True, NOW)) == 4
    assert finished()
    assert states() == {"sent": 30}


def test_addressing_stops_and_goes_on_without_repeating_or_leaving_out_anybody(database, monkeypatch):
    monkeypatch.setattr(addressing, "PAGE", 7)
    with writing() as session:
        session.execute(text("DELETE FROM subscribers"))
    make_digest(30)
    assert states() == {"pending": 30}
    with reading() as session:
        rows = session.execute(text("SELECT count(*), count(DISTINCT person) FROM deliveries")).one()
    assert tuple(rows) == (30, 30)


def test_owing_a_letter_twice_owes_it_once(database):
    for _ in range(2):
        with writing() as session:
            deliveries.owe(session, "confirm", 1, "subscriber:1", NOW)
    with reading() as session:
        assert session.scalar(text("SELECT count(*) FROM deliveries")) == 1
        assert session.query(Delivery).one().state == "pending"


def test_a_letter_that_this_release_does_not_know_waits_and_keeps_no_other_waiting(digest):
    with writing() as session:
        reader = session.scalar(text("SELECT min(person) FROM deliveries"))
        deliveries.owe(session, "birthday", 1, reader, NOW)
    with reading() as session:
        assert claims.owed(session, NOW) == [digest]
    with writing() as session:
        deliveries.owe(session, "welcome", 1, reader, NOW)
    batch = claim(None)
    assert batch is not None
    assert [letter.letter for letter in batch.letters] == ["welcome"]


def test_a_digest_is_not_finished_over_letters_that_are_owed_again_at_that_moment(digest):
    batch = claim(digest)
    settle(batch, batch.letters, "failed")
    finished: list[bool] = []

    def finish() -> None:
        with writing() as session:
            finished.append(deliveries.finish(session, digest, NOW))

    with writing() as session:
        digests.get(session, "2026-W47", lock=True)
        exceptions.retry(session, digest, NOW)
        beside = threading.Thread(target=finish)
        beside.start()
        beside.join(timeout=0.5)  # it waits for us, or (on SQLite) for its turn
        assert not finished
    beside.join(timeout=20)
    assert finished == [False]
    assert states() == {"pending": 30}
