"""What each answer at the door does: to the letter, to its domain, to the mail server."""

from datetime import timedelta
from email import message_from_bytes

from click.testing import CliRunner
from sqlalchemy import text

from db.deliveries import exceptions
from db.deliveries.limits import breakers
from db.digests import digests
from db.session import reading, writing
from emails.replies import Outcome, judge
from tests.transports import SLOT, digest, rows, run, state, states
from web.cli import main


def test_a_refused_recipient_fails_with_the_servers_words(door, clock):
    digest(clock)
    door.answer = lambda to, number: (
        judge("rcpt", 550, "5.1.1 no such user") if number == 3 else judge("dot", 250, "ok")
    )
    run()
    assert states() == {"sent": 19, "failed": 1}
    [failed] = rows("failed")
    assert (failed.code, failed.reply, failed.reason) == (550, "550 5.1.1 no such user", "refused at rcpt")
    assert state() == "finished"


def test_a_deferred_letter_waits_and_is_tried_again_with_the_same_message_id(door, clock):
    digest(clock, 1)
    door.answer = lambda to, number: judge("rcpt", 450, "4.2.0 busy") if number == 1 else judge("dot", 250, "ok")
    run()
    assert states() == {"deferred": 1}
    [waits] = rows("deferred")
    assert timedelta(minutes=6) <= waits.not_before - clock.now <= timedelta(minutes=8)
    assert state() == "sending"
    clock.forward(minutes=9)
    run()
    assert states() == {"sent": 1}
    first, again = (message_from_bytes(message)["Message-ID"] for _, message in door.sent)
    assert first == again


def test_a_letter_that_is_deferred_for_two_days_is_given_up(door, clock):
    digest(clock, 1)
    door.answer = lambda to, number: judge("rcpt", 450, "4.2.0 busy")
    for _ in range(20):
        run()
        clock.forward(hours=5)
    assert states() == {"failed": 1}
    assert (rows("failed")[0].reason or "").startswith("given up")


def test_the_time_of_a_pause_is_no_part_of_the_two_days(door, clock):
    digest(clock, 1)
    with writing() as session:
        digests.move(session, SLOT, "pause", clock.now)
    clock.forward(days=4)
    with writing() as session:
        digests.move(session, SLOT, "resume", clock.now)
    door.answer = lambda to, number: judge("rcpt", 450, "4.2.0 greylisted") if number < 3 else judge("dot", 250, "ok")
    for _ in range(3):
        run()
        clock.forward(hours=1)
    assert states() == {"sent": 1}


def test_what_is_owed_again_by_hand_has_two_days_again(door, clock):
    made = digest(clock, 1)
    door.answer = lambda to, number: judge("rcpt", 552, "5.2.2 mailbox full")
    run()
    clock.forward(days=3)
    with writing() as session:
        exceptions.retry(session, made, clock.now)
        digests.get(session, SLOT).state = "sending"
    door.answer = lambda to, number: judge("rcpt", 450, "4.2.0 greylisted") if number < 4 else judge("dot", 250, "ok")
    for _ in range(3):
        run()
        clock.forward(hours=1)
    assert states() == {"sent": 1}


def test_a_letter_without_an_answer_is_held_in_doubt_until_a_person_decides(door, clock):
    made = digest(clock)
    door.answer = lambda to, number: Outcome("unknown", None, "gone", "dot") if number == 5 else judge("dot", 250, "ok")
    run()
    assert states() == {"sent": 19, "unknown": 1}
    assert state() == "sending"
    clock.forward(hours=1)
    run()
    assert len(door.sent) == 20, "nothing is sent again by itself"
    with writing() as session:
        exceptions.resolve(session, made, False, clock.now)
    run()
    assert states() == {"sent": 20}
    assert state() == "finished"


def test_with_on_unknown_resend_it_is_sent_again(door, clock, setting):
    setting(ON_UNKNOWN="resend")
    digest(clock, 1)
    door.answer = lambda to, number: Outcome("unknown", None, "gone", "dot") if number == 1 else judge("dot", 250, "ok")
    run()
    assert rows("deferred")[0].reason == "sent again after doubt"
    clock.forward(hours=1)
    run()
    assert states() == {"sent": 1}


def test_a_relay_that_refuses_everybody_is_left_alone_and_nobodys_tries_are_used_up(door, clock):
    digest(clock)
    door.answer = lambda to, number: (
        judge("mail", 421, "4.3.2 shutting down") if number == 4 else judge("dot", 250, "ok")
    )
    run()
    assert states() == {"sent": 3, "pending": 17}
    assert {each.tries for each in rows("pending")} == {0}
    with reading() as session:
        [relay] = breakers.open_breakers(session)
        assert relay.reply == "421 4.3.2 shutting down"
    told = CliRunner().invoke(main, ["digest", "show", SLOT]).output
    assert "! smtp://relay.example:25 has refused mail since 2026-11-17 08:00 UTC: 421 4.3.2 shutting down" in told
    run()
    assert len(door.sent) == 4, "the breaker is open"
    clock.forward(seconds=10)
    run()
    assert states() == {"sent": 20}


def test_what_a_server_answers_to_mail_is_about_us_however_often_it_says_so(door, clock):
    digest(clock, 6)
    door.answer = lambda to, number: judge("mail", 421, "4.3.2 down")
    for _ in range(8):
        run()
        clock.forward(minutes=6)
    assert len(door.sent) == 8
    assert states() == {"pending": 6}
    assert {each.tries for each in rows("pending")} == {0}


def test_a_server_that_stops_answering_gets_a_few_letters_and_is_then_left_alone(door, clock):
    digest(clock, 30)
    door.answer = lambda to, number: Outcome("unknown", None, "the server closed the connection", "dot")
    run()
    assert states() == {"unknown": 3, "pending": 27}
    with reading() as session:
        [relay] = breakers.open_breakers(session)
    assert relay.reply == "no answer to letters: the server closed the connection"
    clock.forward(seconds=10)
    run()
    assert states() == {"unknown": 4, "pending": 26}, "one letter tries it, not three"
    clock.forward(minutes=1)
    door.answer = lambda to, number: judge("dot", 250, "ok")
    run()
    assert states() == {"unknown": 4, "sent": 26}


def test_two_letters_without_an_answer_stop_nobody(door, clock):
    digest(clock, 9)
    door.answer = lambda to, number: judge("dot", 250, "ok") if number % 3 == 0 else Outcome("unknown", None, "", "dot")
    run()
    assert states() == {"unknown": 6, "sent": 3}


def test_a_relay_that_cannot_be_reached_claims_nothing(door, clock):
    digest(clock)
    door.shut = Outcome("relay", None, "connection refused", "connect")
    run()
    assert states() == {"pending": 20}
    assert door.sent == []


def test_a_relay_that_answers_again_is_forgotten(door, clock):
    digest(clock)
    door.shut = Outcome("relay", None, "connection refused", "connect")
    run()
    door.shut = None
    clock.forward(minutes=1)
    run()
    with reading() as session:
        assert breakers.open_breakers(session) == []


def test_three_deferrals_in_a_row_leave_the_domain_alone_and_others_go_on(door, clock):
    made = digest(clock, 20)
    with writing() as session:
        session.execute(text("UPDATE subscribers SET address = 'x' || id || '@slow.example' WHERE id <= 10"))

    def slow(to: str, number: int) -> Outcome:
        if to.endswith("@slow.example"):
            return judge("rcpt", 451, "4.7.1 too many")
        return judge("dot", 250, "ok")

    door.answer = slow
    run()
    assert sum(to.endswith("@slow.example") for to, _ in door.sent) == 3
    assert states() == {"sent": 10, "deferred": 10}
    assert sorted(each.tries for each in rows("deferred")) == [0] * 7 + [1] * 3
    door.answer = lambda to, number: judge("dot", 250, "ok")
    clock.forward(minutes=8)
    run()
    assert states() == {"sent": 20}
    assert made
    with reading() as session:
        assert breakers.open_breakers(session) == []


def test_a_letter_that_breaks_every_connection_keeps_nobody_waiting(door, clock):
    digest(clock, 5)

    def breaks_at_first(to: str, number: int) -> Outcome:
        if to == "reader-1@reader.example":
            return Outcome("relay", None, "connection reset by peer", "data")
        return judge("dot", 250, "ok")

    door.answer = breaks_at_first
    for _ in range(4):
        run()
        clock.forward(minutes=1)
    assert states() == {"sent": 4, "deferred": 1}
    assert rows("deferred")[0].reply == "connection reset by peer"


def test_a_server_that_relays_for_nobody_does_not_use_up_the_audience(door, clock):
    digest(clock, 60)
    door.answer = lambda to, number: judge("rcpt", 554, "5.7.1 relay access denied")
    for _ in range(6):
        run()
        clock.forward(minutes=5)
    assert not rows("failed")
    with reading() as session:
        [relay] = breakers.open_breakers(session)
        assert relay.reply == "554 5.7.1 relay access denied"
    door.answer = lambda to, number: judge("dot", 250, "ok")
    clock.forward(hours=1)
    run()
    assert states() == {"sent": 60}


def test_a_domain_that_takes_letters_again_has_them_announced_again(door, clock):
    digest(clock)
    announced = []

    def answer(to: str, number: int) -> Outcome:
        announced.append(bool(door.announced))
        return judge("dot", 451, "4.7.1 too many") if number <= 3 else judge("dot", 250, "2.0.0 taken")

    door.answer = answer
    run()
    assert announced == [True, False, False]
    clock.forward(hours=1)
    run()
    clock.forward(hours=1)
    run()
    assert states() == {"sent": 20}
    assert any(announced[3:])
