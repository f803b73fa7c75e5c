"""A sender under SEND_DAILY: what it sends, when it leaves, and that a sign-up does not wait for a long digest."""

import uuid

import pytest
from sqlalchemy import event, text

from db.deliveries import deliveries
from db.engine import engine
from db.session import reading, writing
from emails.replies import Outcome, judge
from tests.transports import digest, rows, run, state, states
from worker.sending import send_daily
from worker.sending.reply_history import ReplyHistory

SIGN_UP = text(
    "INSERT INTO subscribers (address, address_key, state, created_at)"
    " VALUES ('new@reader.example', :key, 'pending', :now) RETURNING id"
)


def sign_up(now) -> None:
    with writing() as session:
        made = session.execute(SIGN_UP, {"now": str(now)[:19], "key": uuid.uuid4().hex}).one()
        deliveries.owe(session, "confirm", made.id, f"subscriber:{made.id}", now)


def counted() -> int:
    with reading() as session:
        return session.scalar(text("SELECT coalesce(sum(letters), 0) FROM sent_minutes"))


def test_a_digest_takes_as_many_days_as_it_must_and_everybody_gets_it_once(door, clock, setting):
    setting(SEND_DAILY=10)
    digest(clock, 40)
    for day in (9, 18, 27, 36):
        assert run() is False, "it leaves quietly"
        assert len(door.sent) == day
        run()
        assert len(door.sent) == day
        clock.forward(days=1, minutes=2)
    run()
    assert len({to for to, _ in door.sent}) == len(door.sent) == 40, "the wait of four days made nobody's letter old"
    assert state() == "finished"


def test_who_signs_up_while_a_digest_waits_gets_the_confirm_letter_at_once(door, clock, setting):
    setting(SEND_DAILY=10)
    digest(clock, 25)
    run()
    sign_up(clock.now)
    run()
    assert door.sent[-1][0] == "new@reader.example"


def test_a_confirm_letter_that_waits_for_a_day_is_not_given_up(door, clock, setting):
    setting(SEND_DAILY=2)
    for _ in range(3):
        sign_up(clock.now)
    run()
    assert len(door.sent) == 2
    clock.forward(hours=24, minutes=3)
    run()
    assert len(door.sent) == 3


def test_senders_that_were_dead_for_days_give_up_all_the_same(door, clock, setting):
    setting(SEND_DAILY=10)
    digest(clock, 20)
    run()
    clock.forward(days=4)
    run()
    assert states() == {"sent": 9, "failed": 11}


def test_who_defers_for_ever_is_given_up_although_the_limit_is_reached_every_day(door, clock, setting):
    setting(SEND_DAILY=10)
    digest(clock, 2)

    def answer(to: str, number: int) -> Outcome:
        full = to == "reader-1@reader.example"
        return judge("rcpt", 452, "4.2.2 mailbox full") if full else judge("dot", 250, "2.0.0 taken")

    door.answer = answer
    for _ in range(5):
        run()
        for _ in range(10):
            sign_up(clock.now)
        run()
        clock.forward(hours=24, minutes=3)
    assert states() == {"sent": 1, "failed": 1}
    assert rows("failed")[0].tries > 1


def test_while_all_are_sent_nobody_connects_to_the_mail_server(door, clock, setting, monkeypatch):
    setting(SEND_DAILY=10)
    digest(clock, 25)
    run()
    connected = []
    monkeypatch.setattr(door, "connect", lambda: connected.append(1))
    assert run() is False
    assert connected == []


def test_who_is_refused_before_the_letter_does_not_count_and_who_is_refused_after_it_does(door, clock, setting):
    setting(SEND_DAILY=100)
    digest(clock, 6)

    def answer(to: str, number: int) -> Outcome:
        if number <= 2:
            return judge("rcpt", 550, "5.1.1 no such user")
        return judge("dot", 554 if number == 3 else 250, "2.0.0 taken")

    door.answer = answer
    run()
    assert states() == {"sent": 3, "failed": 3}
    assert counted() == 4


def test_a_sender_that_breaks_off_amid_a_letter_counts_it(door, clock, setting):
    setting(SEND_DAILY=100)
    digest(clock, 6)

    def broken(to: str, number: int) -> Outcome:
        if number == 4:
            raise OSError("the disk is gone")
        return judge("dot", 250, "2.0.0 taken")

    door.answer = broken
    run()
    assert states() == {"sent": 3, "unknown": 1, "pending": 2}
    assert counted() == 4


@pytest.mark.parametrize(
    ("heard", "number"),
    [
        (judge("dot", 250, "2.0.0 taken"), 4),
        (judge("rcpt", 450, "4.2.0 greylisted"), 3),
        (Outcome("relay", None, "the server closed the connection", "data", "relay"), 3),
    ],
)
def test_one_that_breaks_off_after_an_answer_counts_the_letter_once_if_it_was_given(
    door, clock, setting, monkeypatch, heard, number
):
    setting(SEND_DAILY=100)
    digest(clock, 6)

    def broken(self, letter, outcome):
        if letter.id == 4:
            raise OSError("the disk is gone")
        return outcome

    door.answer = lambda to, number: heard if number == 4 else judge("dot", 250, "2.0.0 taken")
    monkeypatch.setattr(ReplyHistory, "weigh", broken)
    run()
    assert counted() == number


def test_a_sender_without_the_limit_deletes_the_counts_once_since_nobody_keeps_them(door, clock, setting):
    setting(SEND_DAILY=10)
    digest(clock, 25)
    run()
    setting(SEND_DAILY=0)
    send_daily._uncounting.clear()
    asked: list[str] = []
    event.listen(engine(), "before_cursor_execute", lambda *given: asked.append(given[2]))
    run()
    assert states() == {"sent": 25}
    assert counted() == 0
    asked.clear()
    run()
    assert not [sql for sql in asked if "counted_since = NULL" in sql]


def test_a_maildir_has_the_same_limit(door, clock, setting):
    setting(SEND_DAILY=10)
    door.certain = True
    digest(clock, 25)
    run()
    assert len(door.sent) == 9
