"""The window is the fence: whatever ends a sender, each of its letters is accounted for."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from db.deliveries import exceptions
from db.deliveries.claiming import claims, settlements
from db.deliveries.claiming.claims import Batch
from db.deliveries.claiming.settlements import Fenced
from db.digests import digests
from db.driver import driver_connection
from db.session import reading, writing
from db.subscribers import subscribers, subscriptions, suppressions
from tests.claiming import LATER, LEASE, NOW, WIN, ask_alone, begin, claim, listed, recover, settle, states


def test_two_senders_never_hold_the_same_letter(digest):
    first, second, third = claim(digest, 20), claim(digest, 20), claim(digest, 20)
    assert first is not None
    assert second is not None
    assert third is None
    assert not {letter.id for letter in first.letters} & {letter.id for letter in second.letters}
    assert [letter.id for letter in first.letters] == sorted(letter.id for letter in first.letters)
    assert states() == {"sending": 30}


def test_what_is_settled_stays_and_what_was_never_begun_is_given_back(digest):
    batch = claim(digest)
    assert batch is not None
    settle(batch, batch.letters[:WIN])
    with writing() as session:
        assert claims.release(session, batch, NOW) == 26
    assert states() == {"sent": 4, "pending": 26}


def test_after_a_kill_the_window_is_in_doubt_and_all_later_letters_go_back(digest):
    batch = claim(digest)
    assert batch is not None
    settle(batch, batch.letters[:WIN])
    assert recover(NOW + LEASE) == 0, "the lease has not lapsed"
    assert recover() == 1
    assert states() == {"sent": WIN, "unknown": WIN, "pending": 30 - 2 * WIN}
    with reading() as session:
        doubted = [each.id for each, _ in listed(session, "unknown")]
    assert doubted == [letter.id for letter in batch.letters[WIN : 2 * WIN]]


def test_recovery_reads_the_claims_own_window(digest):
    claim(digest, win=2)
    recover()
    assert states() == {"unknown": 2, "pending": 28}


def test_a_maildir_leaves_no_doubt(digest):
    claim(digest, win=0)
    recover()
    assert states() == {"pending": 30}


def test_on_unknown_resend_sends_again(digest):
    claim(digest)
    recover(resend=True)
    assert states() == {"pending": 30}


def test_a_sender_that_slept_past_its_lease_is_fenced_and_keeps_what_it_knows(digest):
    batch = claim(digest)
    assert batch is not None
    recover()
    again = claim(digest, at=LATER)
    assert again is not None
    with pytest.raises(Fenced):
        settle(batch, batch.letters[:WIN], at=LATER)
    # The server took these four: their sender says so, though too late for its claim.
    assert states() == {"sent": WIN, "sending": 30 - WIN}
    settle(again, again.letters[:WIN], at=LATER)
    assert states() == {"sent": 2 * WIN, "sending": 30 - 2 * WIN}


def test_a_fenced_sender_cannot_touch_what_another_one_claimed(digest):
    batch = claim(digest)
    assert batch is not None
    recover()
    again = claim(digest, at=LATER)
    assert again is not None
    with pytest.raises(Fenced):
        settle(batch, batch.letters[WIN:], "failed", at=LATER)
    assert states() == {"unknown": WIN, "sending": 30 - WIN}


@pytest.mark.parametrize("as_sent", [True, False])
def test_a_sender_that_slept_while_somebody_resolved_its_doubt_is_fenced_all_the_same(digest, as_sent):
    batch = claim(digest)
    assert batch is not None
    recover()
    with writing() as session:
        exceptions.resolve(session, digest, as_sent, LATER)
    with pytest.raises(Fenced):
        settle(batch, batch.letters[:WIN], at=LATER)
    # Whichever way it was resolved: the server has these four, so they are not sent again.
    assert states() == {"sent": WIN, "pending": 30 - WIN}


def test_a_sender_that_slept_with_nothing_begun_is_fenced_too(digest):
    batch = claim(digest)
    assert batch is not None
    recover()
    with pytest.raises(Fenced):
        settle(batch, [], at=LATER)


def test_a_settlement_whose_answer_was_lost_may_be_given_again(digest):
    batch = claim(digest)
    assert batch is not None
    settle(batch, batch.letters[:WIN])
    settle(batch, batch.letters[:WIN])
    assert states() == {"sent": WIN, "sending": 30 - WIN}


def test_a_settlement_extends_the_lease(digest):
    batch = claim(digest)
    assert batch is not None
    settle(batch, batch.letters[:1], at=NOW + timedelta(seconds=20))
    assert recover(LATER) == 0
    assert recover(NOW + timedelta(seconds=51)) == 1


def test_so_does_one_with_nothing_to_write_down(digest):
    batch = claim(digest)
    assert batch is not None
    settle(batch, [], at=NOW + timedelta(seconds=20))
    assert recover(LATER) == 0
    assert recover(NOW + timedelta(seconds=51)) == 1


def test_who_left_or_is_not_to_be_mailed_is_skipped_at_the_claim(digest):
    with writing() as session:
        subscriptions.leave(session, 1, "link", NOW)
        suppressions.suppress(session, "reader-1@reader.example", "by hand", NOW)
        session.execute(update(subscribers.Subscriber).where(subscribers.Subscriber.id == 3)
                        .values(paused_until=NOW + timedelta(days=7)))  # fmt: skip
        session.execute(update(subscribers.Subscriber).where(subscribers.Subscriber.id == 4)
                        .values(paused_until=NOW - timedelta(days=7)))  # fmt: skip
    batch = claim(digest)
    assert batch is not None
    assert len(batch.letters) == 27
    with reading() as session:
        skipped = {address: each.reason for each, address in listed(session, "skipped")}
    assert skipped == {
        "reader-0@reader.example": "unsubscribed",
        "reader-1@reader.example": "suppressed",
        "reader-2@reader.example": "paused",
    }
    assert states() == {"skipped": 3, "sending": 27}


def test_who_leaves_while_the_batch_is_held_is_seen_before_the_next_letters(digest):
    batch = claim(digest)
    assert batch is not None
    group = batch.letters[:WIN]
    with driver_connection() as connection:
        assert settlements.settle(connection, batch, [], group, LEASE, NOW) == {}
    with writing() as session:
        subscriptions.leave(session, 2, "link", NOW)
        suppressions.suppress(session, "reader-2@reader.example", "complaint", NOW)
        session.execute(update(subscribers.Subscriber).where(subscribers.Subscriber.id == 4)
                        .values(paused_until=NOW + timedelta(days=7)))  # fmt: skip
    with driver_connection() as connection:
        gone = settlements.settle(connection, batch, [], group, LEASE, NOW)
    assert gone == {group[1].id: "unsubscribed", group[2].id: "suppressed", group[3].id: "paused"}


def test_a_digest_that_is_paused_gives_no_letters_and_stops_those_held(digest):
    batch = claim(digest, 10)
    assert batch is not None
    with writing() as session:
        digests.move(session, "2026-W47", "pause", NOW)
    assert claim(digest) is None
    with driver_connection() as connection:
        assert settlements.settle(connection, batch, [], batch.letters[:WIN], LEASE, NOW) is None


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_claim_whose_sender_never_heard_of_it_leaves_no_letter_in_doubt(digest):
    assert isinstance(ask_alone(digest), Batch)
    assert recover() == 1
    assert states() == {"pending": 30}


def test_a_sender_gives_back_no_claim_of_another_one_that_got_the_same_id(digest):
    theirs = claim(digest)
    never_committed = replace(theirs, worker="another sender")
    with writing() as session:
        assert claims.release(session, never_committed, NOW, 0) is None
    assert states() == {"sending": 30}
    settle(theirs, theirs.letters[:WIN])
    assert states() == {"sent": WIN, "sending": 30 - WIN}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_sender_that_begins_after_its_claim_was_recovered_is_fenced(digest):
    late = ask_alone(digest)
    recover()
    with pytest.raises(Fenced):
        begin(late, LATER)
