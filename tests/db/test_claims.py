"""The window is the fence: whatever ends a sender, each of its letters is accounted for."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text, update

from db import claims, deliveries, digests, outcomes, relays, settlements, subscribers
from db.claims import Batch, Terms, Wait
from db.deliveries import Delivery
from db.outcomes import Chosen
from db.session import ledger, reading, writing
from db.settlements import Fenced, Settlement

NOW = datetime(2026, 11, 17, 9, tzinfo=UTC)
LEASE = timedelta(seconds=30)
LATER = NOW + LEASE + timedelta(seconds=1)
WIN = 4


@pytest.fixture
def digest(database) -> int:
    """A digest on its way to thirty readers; its number."""
    return make_digest(30)


def listed(session, state: str):
    return outcomes.listed(session, digests.get(session, "2026-W47"), Chosen((state,)))


def make_digest(readers: int) -> int:
    with writing() as session:
        for number in range(readers):
            session.execute(
                text(
                    "INSERT INTO subscribers (address, address_key, state, created_at, confirmed_at, joined)"
                    " VALUES (:address, :address, 'active', :now, :now, 0)"
                ),
                {"address": f"reader-{number}@reader.example", "now": "2026-11-01 09:00:00"},
            )
        taken = subscribers.freeze(session, NOW)
        made = digests.open_slot(session, "2026-W47", NOW, NOW)
        digests.keep(
            session, made, [], content={}, subject="s", preheader="p", html="h", text="t",
            frozen_at=NOW, cutoff=NOW, freeze=taken.number, audience=taken.audience,
        )  # fmt: skip
        while deliveries.address(session, made, NOW):
            pass
        digests.begin(session, made)
    return made.id


def ask(digest_id: int | None, at: datetime = NOW, **terms) -> Batch | Wait | None:
    given = {"worker": "sender-1", "limit": 200, "win": WIN, "lease": LEASE, "connections": 9} | terms
    with writing() as session:
        return claims.claim(session, Terms(**given), digest_id, at)


def claim(digest_id: int | None, limit: int = 200, at: datetime = NOW, win: int = WIN) -> Batch | None:
    batch = ask(digest_id, at, limit=limit, win=win)
    assert not isinstance(batch, Wait)
    return batch


def settle(batch: Batch, letters, state: str = "sent", at: datetime = NOW) -> None:
    with ledger() as connection:
        done = [Settlement(letter.id, state, code=250, reply="250 2.0.0 taken") for letter in letters]
        settlements.settle(connection, batch, done, (), LEASE, at)


def recover(at: datetime = LATER, resend: bool = False) -> int:
    with writing() as session:
        return claims.recover(session, resend, at)


def account() -> deliveries.Account:
    with reading(snapshot=True) as session:
        return deliveries.account(session, digests.get(session, "2026-W47"))


def states() -> dict[str, int]:
    assert account().holds
    return {state: number for state, number in account().states.items() if number}


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
        assert claims.release(session, batch) == 26
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
        outcomes.resolve(session, digest, as_sent, LATER)
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


def test_who_left_or_is_not_to_be_mailed_is_skipped_at_the_claim(digest):
    with writing() as session:
        subscribers.leave(session, 1, "link", NOW)
        subscribers.suppress(session, "reader-1@reader.example", "by hand", NOW)
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
    with ledger() as connection:
        assert settlements.settle(connection, batch, [], group, LEASE, NOW) == {}
    with writing() as session:
        subscribers.leave(session, 2, "link", NOW)
        subscribers.suppress(session, "reader-2@reader.example", "complaint", NOW)
        session.execute(update(subscribers.Subscriber).where(subscribers.Subscriber.id == 4)
                        .values(paused_until=NOW + timedelta(days=7)))  # fmt: skip
    with ledger() as connection:
        gone = settlements.settle(connection, batch, [], group, LEASE, NOW)
    assert gone == {group[1].id: "unsubscribed", group[2].id: "suppressed", group[3].id: "paused"}


def test_a_digest_that_is_paused_gives_no_letters_and_stops_those_held(digest):
    batch = claim(digest, 10)
    assert batch is not None
    with writing() as session:
        digests.move(session, "2026-W47", "pause", NOW)
    assert claim(digest) is None
    with ledger() as connection:
        assert settlements.settle(connection, batch, [], batch.letters[:WIN], LEASE, NOW) is None


def test_a_deferred_letter_is_claimed_again_when_its_time_comes(digest):
    batch = claim(digest, 1)
    assert batch is not None
    later = NOW + timedelta(minutes=5)
    with ledger() as connection:
        told = Settlement(batch.letters[0].id, "deferred", "deferred at rcpt", 451, "451 4.7.1 later", later)
        settlements.settle(connection, batch, [told], (), LEASE, NOW)
    with writing() as session:
        claims.release(session, batch)
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
        assert len(outcomes.retry(session, digest, monday)) == 30
    batch = claim(digest, at=monday)
    assert batch is not None
    assert len(batch.letters) == 30


def test_a_digest_is_finished_only_when_nothing_is_owed_or_in_doubt(digest):
    batch = claim(digest)
    assert batch is not None
    settle(batch, batch.letters[:-WIN])

    def finished() -> bool:
        with writing() as session:
            return digests.finish(session, digest, NOW)

    assert not finished(), "some are being sent"
    recover()
    assert states() == {"sent": 26, "unknown": 4}
    assert not finished(), "some are in doubt"
    with writing() as session:
        assert len(outcomes.resolve(session, digest, True, NOW)) == 4
    assert finished()
    assert states() == {"sent": 30}


def test_the_message_id_is_the_same_on_every_attempt(digest):
    batch = claim(digest, 1)
    assert batch is not None

    def named(letter) -> str:
        return deliveries.message_id(letter.id, letter.letter, letter.created_at, "verdicts.example")

    recover(resend=True)
    again = claim(digest, 1, at=LATER)
    assert again is not None
    assert named(batch.letters[0]) == named(again.letters[0])


def test_addressing_stops_and_goes_on_without_repeating_or_leaving_out_anybody(database, monkeypatch):
    monkeypatch.setattr(deliveries, "PAGE", 7)
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


def test_claims_count_connections_over_all_senders(digest):
    first = ask(digest, limit=5, connections=2)
    assert isinstance(first, Batch)
    assert isinstance(ask(digest, limit=5, connections=2), Batch)
    assert ask(digest, limit=5, connections=2) == Wait(None)
    with writing() as session:
        claims.release(session, first)
    assert isinstance(ask(digest, limit=5, connections=2), Batch)


def test_a_rate_is_shared_by_all_senders(digest):
    assert len(ask(digest, rate=2.0).letters) == 4, "two seconds' worth is saved up"
    waits = ask(digest, rate=2.0)
    assert isinstance(waits, Wait)
    assert waits.seconds == pytest.approx(0.5)
    assert len(ask(digest, NOW + timedelta(seconds=1), rate=2.0).letters) == 2
    assert len(ask(digest, NOW + timedelta(seconds=60), rate=2.0).letters) == 4, "no more is saved up than that"


def test_a_domains_rate_puts_its_letters_off_and_keeps_nobody_else_waiting(digest):
    with writing() as session:
        session.execute(text("UPDATE subscribers SET address = 'x' || id || '@slow.example' WHERE id <= 20"))
    first = ask(digest, domain_rates={"slow.example": 2.0})
    assert [letter.address.partition("@")[2] for letter in first.letters].count("slow.example") == 4
    assert len(first.letters) == 4 + 10
    assert states() == {"sending": 14, "deferred": 16}
    with writing() as session:
        claims.release(session, first)
        session.execute(text("UPDATE deliveries SET state = 'sent' WHERE state = 'pending'"))
    with reading() as session:
        waiting = sorted(each.not_before for each, _ in listed(session, "deferred"))
    assert waiting[0] >= NOW + timedelta(seconds=2)
    assert {(b - a).total_seconds() for a, b in pairwise(waiting)} == {0.5}
    later = ask(digest, waiting[3], domain_rates={"slow.example": 2.0})
    assert len(later.letters) == 4
    assert {letter.tries for letter in later.letters} == {0}, "nobody's tries are used up by waiting"


def test_after_a_pause_a_domains_letters_do_not_come_all_at_once(digest):
    with writing() as session:
        session.execute(text("UPDATE subscribers SET address = 'x' || id || '@slow.example'"))
    first = ask(digest, domain_rates={"slow.example": 2.0})
    with writing() as session:
        claims.release(session, first)
    tomorrow = ask(digest, NOW + timedelta(days=1), domain_rates={"slow.example": 2.0})
    assert len(tomorrow.letters) == 4


def test_a_domain_that_defers_is_left_alone_by_every_sender(digest):
    with writing() as session:
        session.execute(text("UPDATE subscribers SET address = 'x' || id || '@slow.example' WHERE id <= 20"))
        until = relays.domain_deferred(session, "slow.example", "451 4.7.1 later", NOW)
    assert timedelta(minutes=4) <= until - NOW <= timedelta(minutes=6)
    batch = ask(digest)
    assert {letter.address.partition("@")[2] for letter in batch.letters} == {"reader.example"}
    assert states() == {"sending": 10, "deferred": 20}


def test_a_digest_is_not_finished_over_letters_that_are_owed_again_at_that_moment(digest):
    batch = claim(digest)
    settle(batch, batch.letters, "failed")
    finished: list[bool] = []

    def finish() -> None:
        with writing() as session:
            finished.append(digests.finish(session, digest, NOW))

    with writing() as session:
        digests.get(session, "2026-W47", lock=True)
        outcomes.retry(session, digest, NOW)
        beside = threading.Thread(target=finish)
        beside.start()
        beside.join(timeout=0.5)  # it waits for us, or (on SQLite) for its turn
        assert not finished
    beside.join(timeout=20)
    assert finished == [False]
    assert states() == {"pending": 30}


def test_two_senders_that_meet_the_same_refusal_at_once_count_it_once(database):
    def meet() -> None:
        with writing() as session:
            relays.refused(session, "smtp://relay.example:25", "421 later", NOW)

    senders = [threading.Thread(target=meet) for _ in range(4)]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    with reading() as session:
        [relay] = relays.all_open(session)
        assert relay.failures == 1
