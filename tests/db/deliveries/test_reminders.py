"""Who signed up and did not confirm is reminded after three days, once, and nobody else is."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from db import guard, rules
from db.deliveries import reminders
from db.deliveries.deliveries import Delivery
from db.session import reading, writing
from db.subscribers import subscriptions

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)
THEN = NOW + rules.REMINDER_AFTER


@pytest.fixture(autouse=True)
def _ground(database):
    pass


def ask(address: str, at: datetime = NOW, version: str = "1") -> int:
    with writing() as session:
        subscriptions.request(
            session, address, words="Yes", words_version=version, locale="en", form_url="/",
            ip=None, user_agent="", now=at,
        )  # fmt: skip
        return session.scalar(text("SELECT max(id) FROM consents"))


def remind(now: datetime = THEN) -> int:
    with writing() as session:
        return reminders.owe(session, now, 100)


def reminded() -> list[tuple[str, int]]:
    with reading() as session:
        query = select(Delivery.person, Delivery.about).where(Delivery.letter == "reminder").order_by(Delivery.id)
        return [(person, about) for person, about in session.execute(query)]


def test_alice_is_reminded_once_after_three_days(cast):
    sign_up = ask(cast.alice)
    assert remind(THEN - timedelta(seconds=1)) == 0
    assert [remind(), remind(), remind(THEN + timedelta(days=10))] == [1, 0, 0]
    assert reminded() == [("subscriber:1", sign_up)]


def test_who_asks_again_is_reminded_of_the_last_time_and_not_twice(cast):
    ask(cast.alice)
    again = ask(cast.alice, NOW + timedelta(days=1))
    assert [remind(), remind(THEN + timedelta(days=1))] == [0, 1]
    ask(cast.alice, THEN + timedelta(days=2))
    assert remind(THEN + timedelta(days=6)) == 0
    assert reminded() == [("subscriber:1", again)]


def test_who_was_promised_that_no_email_follows_is_reminded_only_after_asking_under_other_words(cast):
    ask(cast.alice, version="2026-11-28")
    assert remind() == 0
    again = ask(cast.alice, NOW + timedelta(days=1), version="2026-11-29")
    assert remind(THEN + timedelta(days=1)) == 1
    assert reminded() == [("subscriber:1", again)]


def test_who_confirmed_or_left_is_not_reminded(cast):
    sign_up = ask(cast.alice)
    ask(cast.bob)
    with writing() as session:
        subscriptions.confirm(session, sign_up, None, NOW)
        subscriptions.leave(session, 2, "page", NOW)
    assert (remind(), reminded()) == (0, [])


def test_a_copy_that_took_over_reminds_nobody_whom_the_database_before_may_have_reminded(cast):
    ask(cast.alice)
    late = ask(cast.bob, NOW + timedelta(days=2))
    with writing() as session:
        guard.stand(session, "back-up", NOW + timedelta(hours=1), 0, 0)
        guard.lift(session, THEN + timedelta(hours=1))
    assert remind(THEN + timedelta(days=3)) == 1
    assert reminded() == [("subscriber:2", late)]


def test_who_confirms_before_it_goes_out_does_not_get_it():
    person = rules.Person("alice@reader.example", "active")
    assert rules.why_not("reminder", person, THEN) == "already confirmed"
    assert rules.why_not("reminder", person._replace(state="pending"), THEN) is None
    assert rules.why_not("reminder", person._replace(state="pending", suppressed=True), THEN) == "suppressed"
