"""A sign-up that nobody confirms is forgotten after fourteen days, address and all; nobody else is."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select, text

from db import rules
from db.engine import engine
from db.rules import Refused
from db.session import reading, writing
from db.subscribers import imports, subscriptions, suppressions, unconfirmed
from db.subscribers.subscribers import Consent, Subscriber

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)
OVER = NOW + rules.SIGN_UP_LIFE
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _ground(database):
    pass


def ask(address, at=NOW):
    """Sign up; the sign-up's id."""
    with writing() as session:
        subscriptions.request(
            session, address, words="Yes", words_version="1", locale="en", form_url="/", ip="203.0.113.7",
            user_agent="Firefox", now=at,
        )  # fmt: skip
        return session.scalar(text("SELECT max(id) FROM consents"))


def confirm(sign_up, at=NOW):
    with writing() as session:
        return subscriptions.confirm(session, sign_up, None, at).id


def leave(number, at=NOW):
    with writing() as session:
        subscriptions.leave(session, number, "page", at)


def forget(now=OVER, limit=100):
    with writing() as session:
        return [each.number for each in unconfirmed.forget(session, now, limit)]


def known():
    """Each address with its state and what is kept of its consent."""
    with reading() as session:
        people = session.scalars(select(Subscriber).order_by(Subscriber.id)).all()
        entries = session.scalars(select(Consent).order_by(Consent.id)).all()
        return {
            one.address: (one.state, [each.what for each in entries if each.subscriber_id == one.id]) for one in people
        }


def test_alice_who_did_not_confirm_is_gone_after_fourteen_days_and_not_before(cast):
    ask(cast.alice)
    assert forget(OVER - timedelta(microseconds=1)) == []
    assert known() == {cast.alice: ("pending", ["asked"])}
    assert forget(OVER) == [1]
    with reading() as session:
        assert not session.scalars(select(Subscriber)).all()
        assert not session.scalars(select(Consent)).all()
    assert forget(OVER) == []


def test_the_last_sign_up_counts(cast):
    ask(cast.alice)
    sign_up = ask(cast.alice, NOW + 10 * DAY)
    assert forget(OVER) == []
    assert confirm(sign_up, OVER + DAY) == 1
    assert forget(OVER + 90 * DAY) == []


def test_bob_who_confirms_in_the_last_moment_stays(cast):
    sign_up = ask(cast.bob)
    confirm(sign_up, OVER - timedelta(microseconds=1))
    assert forget(OVER) == []
    assert known() == {cast.bob: ("active", ["asked", "given"])}


def test_who_left_and_was_asked_again_is_unsubscribed_again_and_keeps_the_proof(cast):
    bob = confirm(ask(cast.bob))
    leave(bob, NOW + DAY)
    ask(cast.bob, NOW + 2 * DAY)
    ask(cast.bob, NOW + 3 * DAY)
    assert forget(OVER + 3 * DAY) == [bob]
    assert known() == {cast.bob: ("unsubscribed", ["asked", "given", "withdrawn"])}
    assert forget(OVER + 3 * DAY) == []


def test_who_was_imported_or_left_is_nobody_s_sign_up(cast):
    with writing() as session:
        imports.add_imported(session, {cast.alice: None}, "by hand", "people.csv", NOW)
    leave(confirm(ask(cast.bob)))
    assert forget(OVER + 90 * DAY) == []
    assert {state for state, _ in known().values()} == {"active", "unsubscribed"}


def test_a_suppression_outlives_the_sign_up_without_naming_it(cast):
    ask(cast.charlie)
    with writing() as session:
        suppressions.suppress(session, cast.charlie, "by hand", NOW, f"{cast.charlie} wrote to us")
    forget()
    with reading() as session:
        kept = suppressions.of_address(session, cast.charlie)
    assert (kept.reason, kept.note, kept.subscriber_id) == ("by hand", None, None)


def test_the_forgotten_link_says_that_it_is_over_and_signing_up_again_works(cast):
    sign_up = ask(cast.alice)
    forget()
    with pytest.raises(Refused, match="Subscribe again"):
        confirm(sign_up, OVER)
    assert confirm(ask(cast.alice, OVER), OVER) == 2


def test_a_row_that_is_forgotten_under_a_sign_up_s_hands_is_entered_anew(database, cast):
    if database.startswith("sqlite"):
        pytest.skip("SQLite takes one writer at a time, so there it cannot happen")
    ask(cast.alice)
    forgotten = []

    def forget_once(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO subscribers") and not forgotten:
            forgotten.append(True)  # set first: the sign-ups of this transaction run through here too
            forgotten.extend(forget())

    event.listen(engine(), "after_cursor_execute", forget_once)
    try:
        sign_up = ask(cast.alice, OVER)
    finally:
        event.remove(engine(), "after_cursor_execute", forget_once)
    assert forgotten == [True, 1]
    assert confirm(sign_up, OVER) > 1
    assert known() == {cast.alice: ("active", ["asked", "given"])}


def test_batches_end(cast):
    for number in range(7):
        ask(f"reader{number}@reader.example")
    assert [len(forget(limit=3)) for _ in range(4)] == [3, 3, 1, 0]


def test_confirming_and_forgetting_at_the_same_time_leaves_somebody_whole(cast):
    """Two hosts whose clocks differ: one takes the confirmation, the other forgets."""
    sign_ups = [ask(f"reader{number}@reader.example") for number in range(12)]
    again = [f"reader{number}@reader.example" for number in range(12)]
    told, together = [], threading.Barrier(3)

    def confirm_all():
        together.wait()
        for sign_up in sign_ups:
            try:
                confirm(sign_up, OVER - DAY)
            except Refused:
                told.append(sign_up)

    def ask_all():
        together.wait()
        for address in again[::-1]:
            ask(address, OVER)

    def forget_all():
        together.wait()
        while forget(limit=1):
            pass

    failures = []
    threads = [threading.Thread(target=_noting, args=(each, failures)) for each in (confirm_all, ask_all, forget_all)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for state, entries in known().values():
        assert (state, entries[-1]) in {("active", "given"), ("pending", "asked")}, (state, entries)


def _noting(work, failures):
    try:
        work()
    except Exception as error:
        failures.append(error)
