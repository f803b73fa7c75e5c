"""What operators are told when SEND_DAILY is reached: what is true, once, and nothing about a sender that is well."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from db.deliveries import deliveries
from db.monitoring import alerts
from db.monitoring.alerts import Alert
from db.session import reading, writing
from tests.transports import digest, run, state
from worker.alerts.alerts import watch
from worker.jobs import jobs

pytestmark = [pytest.mark.usefixtures("door"), pytest.mark.once]


def told(now) -> dict[str, str]:
    """The open alerts after a look: their titles by key."""
    watch(now)
    with reading() as session:
        return {alert.key: alert.title for alert in alerts.standing(session)}


def ever(key: str) -> int:
    with reading() as session:
        return len(session.scalars(select(Alert.id).where(Alert.key == key)).all())


SIGN_UP = text(
    "INSERT INTO subscribers (address, address_key, state, created_at)"
    " VALUES ('new@reader.example', :key, 'pending', :now) RETURNING id"
)


def sign_up(number: int, now) -> None:
    with writing() as session:
        for each in range(number):
            made = session.execute(SIGN_UP, {"now": str(now)[:19], "key": f"{now} {each}"}).one()
            deliveries.owe(session, "confirm", made.id, f"subscriber:{made.id}", now)


def test_a_digest_that_takes_over_a_day_is_told_once_and_no_letter_is_called_late(clock, setting):
    setting(SEND_DAILY=10)
    digest(clock, 12)
    jobs.work()
    for _ in range(125):  # past one day's end, in steps in which the sender comes round after the look
        assert "age:mail" not in told(clock.now)
        run()
        clock.forward(minutes=12)
        jobs.work()
    assert state() == "finished"
    assert ever("daily:2026-W47") == 1
    assert told(clock.now) == {}


def test_its_title_says_how_long(clock, setting):
    setting(SEND_DAILY=10)
    digest(clock, 30)
    run()
    assert told(clock.now)["daily:2026-W47"] == "Digest 2026-W47 takes about three days more at SEND_DAILY 10"


def test_confirm_letters_that_wait_are_told_once_until_they_are_out(clock, setting):
    setting(SEND_DAILY=4, ALERT_AGE="15m")
    for _ in range(4):
        sign_up(1, clock.now)
        run()
        clock.forward(minutes=2)
    sign_up(3, clock.now)
    run()
    assert told(clock.now) == {}
    clock.forward(minutes=20)
    assert told(clock.now) == {"daily:letters": "Confirm letters wait: 4 letters went out in 24 hours"}
    clock.forward(hours=23, minutes=30)
    for _ in range(9):
        run()
        told(clock.now)
        clock.forward(minutes=1)
    assert told(clock.now) == {}
    assert ever("daily:letters") == 1


def test_a_sender_that_is_dead_when_the_day_is_over_is_told(clock, setting):
    setting(SEND_DAILY=10)
    digest(clock, 30)
    run()
    clock.forward(hours=24, minutes=10)
    assert "age:mail" not in told(clock.now)
    clock.forward(minutes=10)
    assert "age:mail" in told(clock.now)


def test_a_sender_that_is_dead_before_the_day_is_used_up_is_told(clock, setting):
    setting(SEND_DAILY=100)
    digest(clock, 30)
    assert "age:mail" in told(clock.now + timedelta(minutes=16))
