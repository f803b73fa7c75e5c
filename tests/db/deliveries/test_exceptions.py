"""What became of a digest's letters: counted cheaply, told by reply, chosen by filter, listed page by page."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import bindparam, select, text

from db.deliveries import accounts, addressing, exceptions
from db.deliveries.deliveries import STATES, Delivery
from db.deliveries.exceptions import DeliveryFilter
from db.digests import digests
from db.digests.digests import Digest
from db.operators.audit import Actor
from db.rules import Refused
from db.session import Moment, reading, writing
from db.subscribers import audiences
from web.actions.digests import deliveries as actions
from worker.digests import weekly_run as run

NOW = datetime(2026, 11, 17, 9, tzinfo=UTC)
SLOT = "2026-W47"
DANA = Actor("dana@newsroom.example")


def addressed(number: int, slot: str = SLOT) -> int:
    """A digest to so many readers, on its way."""
    with writing() as session:
        session.execute(
            text(
                "INSERT INTO subscribers (address, address_key, state, created_at, confirmed_at, joined)"
                " VALUES (:address, :address, 'active', :now, :now, 0)"
            ).bindparams(bindparam("now", type_=Moment())),
            [{"address": f"reader-{slot}-{each}@reader.example", "now": NOW} for each in range(number)],
        )
        taken = audiences.count_audience(session, NOW)
        made = digests.open_slot(session, slot, NOW, NOW)
        digests.freeze(session, made, [], frozen_at=NOW, freeze=taken.number, audience=taken.audience)
    run.address_frozen()
    return made.id


def put(of: int, **states: int) -> None:
    """So many of a digest's pending letters in each of these states."""
    replies = {"failed": (550, "refused at rcpt"), "deferred": (451, "deferred at rcpt"), "unknown": (None, "no reply"),
               "skipped": (None, "unsubscribed"), "sent": (250, None)}  # fmt: skip
    with writing() as session:
        for state, number in states.items():
            code, reason = replies.get(state, (None, None))
            ids = session.scalars(
                select(Delivery.id)
                .where(Delivery.about == of, Delivery.state == "pending")
                .order_by(Delivery.id)
                .limit(number)
            ).all()
            for id_ in ids:
                row = session.get_one(Delivery, id_)
                row.state, row.code, row.reason, row.settled_at = state, code, reason, NOW
                row.reply = f"{code} <reader-{id_}@reader.example> said so, id {id_}" if code else None


def look(slot: str = SLOT) -> Digest:
    with reading() as session:
        return digests.get(session, slot)


def states(of: int) -> Counter[str]:
    with reading() as session:
        return Counter(session.scalars(select(Delivery.state).where(Delivery.about == of)))


def agree() -> accounts.Account:
    """The cheap account and the proof are the same."""
    with reading(snapshot=True) as session:
        found = digests.get(session, SLOT)
        cheap, proof = accounts.progress(session, found), accounts.account(session, found)
    assert cheap == proof
    assert proof.holds
    return cheap


# ---- the account -----------------------------------------------------------------------------------------------


def test_the_cheap_account_equals_the_proof_in_every_state_of_the_letters(database):
    of = addressed(60)
    addressed(7, "2026-W48")  # another digest's letters count for nothing here
    chance = random.Random(7)
    for _ in range(40):
        with writing() as session:
            row = session.scalars(
                select(Delivery).where(Delivery.about == of, Delivery.id == chance.randint(1, 60))
            ).one()
            row.state = chance.choice(STATES)
            row.claim = 1 if row.state == "sending" else None
        agree()
    assert set(states(of)) == set(STATES), "a sequence that meets every state"


def test_the_cheap_account_is_right_while_people_are_addressed(database, monkeypatch):
    monkeypatch.setattr(addressing, "PAGE", 3)
    with writing() as session:
        session.execute(
            text("INSERT INTO subscribers (address, address_key, state, created_at, confirmed_at, joined)"
                 " VALUES (:a, :a, 'active', :now, :now, 0)").bindparams(bindparam("now", type_=Moment())),
            [{"a": f"reader-{each}@reader.example", "now": NOW} for each in range(8)],
        )  # fmt: skip
        taken = audiences.count_audience(session, NOW)
        made = digests.open_slot(session, SLOT, NOW, NOW)
        digests.freeze(session, made, [], frozen_at=NOW, freeze=taken.number, audience=taken.audience)
    seen = [agree().unaddressed]
    while look().state == "frozen":
        run._address_page(SLOT)
        seen.append(agree().unaddressed)
    assert seen == [8, 5, 2, 0, 0]


def test_a_row_that_is_lost_shows(database):
    of = addressed(5)
    with writing() as session:
        session.execute(text("DELETE FROM deliveries WHERE id = (SELECT min(id) FROM deliveries WHERE about = :of)"),
                        {"of": of})  # fmt: skip
    with reading() as session:
        assert not accounts.progress(session, digests.get(session, SLOT)).holds


def test_what_became_of_an_ended_digest_is_stored_and_forgotten_when_it_owes_again(database):
    of = addressed(10)
    put(of, sent=7, failed=3)
    run.tick()
    assert look().state == "finished"
    assert look().outcomes == dict.fromkeys(STATES, 0) | {"sent": 7, "failed": 3}
    agree()
    actions.retry(DANA, SLOT, NOW, DeliveryFilter())
    assert (look().state, look().outcomes) == ("sending", None)
    assert agree().states["pending"] == 3


def test_a_cancelled_digest_is_counted_once_nothing_of_it_is_in_doubt(database):
    of = addressed(10)
    put(of, sent=6, unknown=2)
    with writing() as session:
        digests.move(session, SLOT, "cancel", NOW)
    run.tick()
    assert look().outcomes is None, "its sender may still know what became of two letters"
    assert agree().states["cancelled"] == 2
    actions.resolve(DANA, SLOT, True, NOW, DeliveryFilter())
    run.tick()
    assert look().outcomes == dict.fromkeys(STATES, 0) | {"sent": 8, "cancelled": 2}
    agree()


# ---- replies and filters -----------------------------------------------------------------------------------------


def test_exceptions_are_told_by_state_code_and_reason_with_what_the_server_said_most(database):
    of = addressed(20)
    put(of, failed=4, deferred=2, skipped=3, sent=5)
    with reading() as session:
        found = exceptions.replies(session, of)
    assert [(each.state, each.code, each.reason, each.count) for each in found] == [
        ("deferred", 451, "deferred at rcpt", 2),
        ("failed", 550, "refused at rcpt", 4),
        ("skipped", None, "unsubscribed", 3),
    ]
    assert found[1].said == "550 … said so, id …"
    assert "reader" not in (found[0].said or "")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("550 5.1.1 <bob@reader.example>: user unknown", "550 5.1.1 … user unknown"),
        ("421 4.7.0 [10.1.2.3] too many, try 17ac99", "421 4.7.0 … too many, try …"),
        ("", ""),
    ],
)
def test_a_reply_is_shown_without_what_names_a_reader(reply, said):
    assert exceptions.shape(reply) == said


def test_only_what_the_filter_chooses_is_owed_again_and_the_audit_names_it(database, monkeypatch):
    monkeypatch.setattr(exceptions, "PAGE", 2)
    of = addressed(20)
    put(of, failed=5, deferred=4, unknown=1)
    with writing() as session:
        failed = "SELECT id FROM deliveries WHERE state = 'failed' ORDER BY id LIMIT 2"
        session.execute(text(f"UPDATE deliveries SET code = 552 WHERE id IN ({failed})"))
    heard: list[int] = []
    assert actions.retry(DANA, SLOT, NOW, DeliveryFilter(("failed",), 550), note="mended", on_page=heard.append) == 3
    assert heard == [2, 1], "page by page"
    assert states(of) == {"pending": 13, "failed": 2, "deferred": 4, "unknown": 1}
    with reading() as session:
        kept = session.execute(text("SELECT actor, action, about, count, affected, note FROM audit ORDER BY id")).all()
    assert [tuple(row) for row in kept] == [
        ("dana@newsroom.example", "deliveries.retry", "digest 2026-W47", 2, "3-4", "mended"),
        ("dana@newsroom.example", "deliveries.retry", "digest 2026-W47", 1, "5", "mended"),
    ]


def test_none_chooses_those_without_a_code_or_reason(database):
    of = addressed(6)
    put(of, failed=2)
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'failed', reason = 'given up' WHERE id = 3"))
    with reading() as session:
        assert exceptions.count(session, of, DeliveryFilter(("failed",))) == 3
        assert exceptions.count(session, of, DeliveryFilter(("failed",), "none")) == 1
        assert exceptions.count(session, of, DeliveryFilter(("failed",), reason="none")) == 0


def test_a_letter_deferred_anew_while_it_is_retried_is_not_met_twice(database, monkeypatch):
    monkeypatch.setattr(exceptions, "PAGE", 2)
    of = addressed(6)
    put(of, deferred=6)

    def defer_again(_: int) -> None:
        with writing() as session:
            session.execute(text("UPDATE deliveries SET state = 'deferred' WHERE state = 'pending'"))

    assert actions.retry(DANA, SLOT, NOW, DeliveryFilter(), on_page=defer_again) == 6


def test_what_was_sent_or_skipped_is_never_chosen_for_a_retry(database):
    addressed(3)
    with pytest.raises(Refused, match="failed or deferred"):
        actions.retry(DANA, SLOT, NOW, DeliveryFilter(("skipped",)))


@pytest.mark.parametrize("state", ["draft", "cancelled"])
def test_letters_of_a_digest_that_does_not_go_out_are_not_owed_again(database, state):
    of = addressed(4)
    put(of, failed=2, unknown=1)
    with writing() as session:
        digests.get(session, SLOT).state = state
    for order in (actions.retry, lambda *given: actions.resolve(given[0], given[1], False, *given[2:])):
        with pytest.raises(Refused, match=f"is {state}"):
            order(DANA, SLOT, NOW, DeliveryFilter())
    assert states(of)["failed"] == 2
    with reading() as session:
        assert session.execute(text("SELECT count(*) FROM audit")).scalar() == 0


# ---- lists -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [*((state,) for state in STATES), (), ("failed", "sent"), ("pending", "deferred")])
def test_every_filter_lists_its_letters_once_page_by_page(database, monkeypatch, chosen):
    monkeypatch.setattr(exceptions, "_STRIDE", 4)
    addressed(5, "2026-W46")
    of = addressed(30)
    put(of, sent=6, deferred=3, failed=4, skipped=2, unknown=3, cancelled=2, sending=5)
    addressed(5, "2026-W48")
    found: list[int] = []
    with reading() as session:
        digest = digests.get(session, SLOT)
        while page := exceptions.page(session, digest, DeliveryFilter(chosen), found[-1] if found else 0, 2):
            found += [each.id for each in page]
        rows = (
            select(Delivery.id).where(Delivery.about == of, Delivery.state.in_(chosen or STATES)).order_by(Delivery.id)
        )
        assert found == list(session.scalars(rows))
        assert found


def test_the_next_try_of_what_is_retried_is_now(database):
    of = addressed(2)
    put(of, deferred=2)
    later = NOW + timedelta(hours=1)
    actions.retry(DANA, SLOT, later, DeliveryFilter())
    with reading() as session:
        assert {row.not_before for row in session.scalars(select(Delivery).where(Delivery.about == of))} == {later}
