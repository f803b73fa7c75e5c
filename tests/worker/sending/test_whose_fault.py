"""Whose fault a refusal is decides what it costs: the sender's or the server's costs nobody a letter or a try."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text

from db.deliveries.limits import breakers
from db.session import reading, writing
from emails.replies import Outcome, judge
from emails.transports import TimeOuts, open_transport
from tests.emails.scripted_smtp import ScriptedServer
from tests.transports import digest, rows, run, state, states
from worker.sending import mail_connections

pytestmark = pytest.mark.once

TAKEN = judge("dot", 250, "ok")
OURS = [
    ("rcpt", "550 5.4.5 Domain sending quota exceeded"),
    ("data", "554 5.7.1 <DATA>: Data command rejected: only 10 messages per day"),
    ("dot", "550 5.7.60 SMTP; Client does not have permissions to send as this sender"),
    ("dot", "454 Throttling failure: Daily message quota exceeded"),
    ("rcpt", "554 5.7.1 <bob@example.com>: Relay access denied"),
    ("mail", "553 5.7.1 Sender address rejected: not owned by user news"),
    ("dot", "451 4.3.0 Error: queue file write error"),
]


def refusal(stage: str, reply: str) -> Outcome:
    return judge(stage, int(reply[:3]), reply[4:])


def open_breaker() -> breakers.Breaker | None:
    with reading() as session:
        found = [each for each in breakers.open_breakers(session) if each.kind == "relay"]
    return found[0] if found else None


@pytest.mark.parametrize(("stage", "reply"), OURS)
def test_what_is_the_senders_stops_after_a_handful_and_costs_nobody_a_try(door, clock, stage, reply):
    digest(clock, 40)
    door.answer = lambda to, number: refusal(stage, reply) if number > 10 else TAKEN
    run()
    assert len(door.sent) == 15
    found = states()
    assert (found["sent"], found["pending"] + found["deferred"]) == (10, 30)
    assert {each.tries for each in rows("pending") + rows("deferred")} == {0}
    relay = open_breaker()
    assert relay is not None
    assert relay.reply == reply
    run()
    assert len(door.sent) == 15, "the breaker is open"
    clock.forward(hours=7)
    run()
    assert len(door.sent) == 16, "one letter tries the server again"
    door.answer = lambda to, number: TAKEN
    for _ in range(3):
        clock.forward(hours=7)
        run()
    assert states() == {"sent": 40}
    assert state() == "finished"
    assert open_breaker() is None


def test_through_a_real_connection_too_the_senders_quota_is_nobody_elses(door, clock, setting, monkeypatch):
    opened = partial(open_transport, time_outs=TimeOuts(5, 5, 5))
    monkeypatch.setattr(mail_connections, "transport_of", lambda config: opened(config.mail_url))
    quota = "552 5.2.2 Submission quota exceeded"
    with ScriptedServer({"dot": [*["250 Ok"] * 3, quota]}) as server:
        setting(MAIL_URL=f"smtp://127.0.0.1:{server.port}")
        digest(clock, 12)
        run()
        assert len(server.taken) == 3
        assert len(server.letters) == 8
        assert not rows("failed")
        server.script["dot"] = "250 Ok"
        for _ in range(2):
            clock.forward(hours=1)
            run()
        assert states() == {"sent": 12}
        assert len(server.taken) == 12


def test_one_letter_that_alone_meets_the_servers_trouble_waits_ever_longer_and_grows_old(door, clock):
    digest(clock, 30)
    tries = []

    def answer(to: str, number: int) -> Outcome:
        if to != "reader-7@reader.example":
            return TAKEN
        tries.append(clock.now)
        return judge("dot", 451, "4.3.0 internal error")

    door.answer = answer
    for _ in range(60):
        run()
        clock.forward(hours=1)
    assert states() == {"sent": 29, "failed": 1}
    assert (rows("failed")[0].reason or "").startswith("given up")
    assert 8 <= len(tries) <= 30
    assert open_breaker() is None


def test_a_limit_for_a_day_is_asked_about_a_few_times_a_day(door, clock):
    digest(clock, 30)
    asked = []

    def answer(to: str, number: int) -> Outcome:
        asked.append(clock.now)
        return judge("mail", 550, "5.4.5 Daily SMTP relay limit exceeded for user")

    door.answer = answer
    for _ in range(24 * 12):
        run()
        clock.forward(minutes=5)
    assert 5 + 4 <= len(asked) <= 5 + 8
    assert sum(states().values()) == 30
    assert not rows("failed")


def test_a_full_mailbox_and_greylisting_make_no_neighbour_wait(door, clock):
    digest(clock, 20)
    door.answer = lambda to, number: (
        judge("rcpt", 452, "4.2.2 mailbox full") if number % 2 else judge("rcpt", 450, "4.2.0 Greylisted")
    )
    run()
    assert len(door.sent) == 20
    assert {each.tries for each in rows("deferred")} == {1}
    with reading() as session:
        assert breakers.open_breakers(session) == []


@pytest.mark.parametrize(("reply", "letters"), [("452 4.3.2 not now", 3), ("451 4.5.0 Hm", 10)])
def test_a_domain_waits_after_three_replies_about_itself_or_ten_that_tell_nothing(door, clock, reply, letters):
    digest(clock, 40)
    with writing() as session:
        session.execute(text("UPDATE subscribers SET address = 'x' || id || '@slow.example' WHERE id <= 20"))
    door.answer = lambda to, number: refusal("rcpt", reply) if to.endswith("@slow.example") else TAKEN
    run()
    assert sum(to.endswith("@slow.example") for to, _ in door.sent) == letters
    assert states() == {"sent": 20, "deferred": 20}


@pytest.mark.parametrize(
    ("reply", "least", "most"),
    [
        ("450 4.2.0 Greylisted", 6 * 60, 8 * 60),
        ("451 4.7.1 Greylisted, please try again in 300 seconds", 300, 360),
        ("451 Greylisting enabled, try again in 4 minutes", 240, 290),
        ("451 4.7.1 Greylisting in action, please come back in 00:05:00", 300, 360),
        ("450 4.2.0 greylisted, retry in 900", 900, 1050),
        ("450 4.2.1 mailbox busy, try again in 9 hours", 4 * 3600, 4 * 3600),
    ],
)
def test_a_recipient_that_asks_for_a_wait_gets_it(door, clock, reply, least, most):
    digest(clock, 30)
    door.answer = lambda to, number: refusal("rcpt", reply)
    run()
    waits = [each.not_before - clock.now for each in rows("deferred")]
    assert len(waits) == 30
    assert timedelta(seconds=least) <= min(waits)
    assert max(waits) <= timedelta(seconds=most)


def test_a_server_that_says_no_to_everybody_does_not_use_up_the_audience(door, clock):
    digest(clock, 60)
    door.answer = lambda to, number: judge("rcpt", 550, "No")
    for _ in range(6):
        run()
        clock.forward(minutes=6)
    assert states()["failed"] == 10
    assert open_breaker() is not None


def test_a_sender_of_files_that_is_stopped_amid_a_letter_leaves_no_doubt(door, clock, monkeypatch):
    door.certain = True

    def stop(to: str, number: int) -> Outcome:
        if number == 5:
            raise SystemExit("stopped")
        return TAKEN

    door.answer = stop
    digest(clock, 12)
    with pytest.raises(SystemExit):
        run()
    assert states() == {"sent": 4, "pending": 8}
    door.answer = lambda to, number: TAKEN
    run()
    assert states() == {"sent": 12}


def test_letters_that_wait_while_the_server_refuses_everybody_grow_no_older(door, clock):
    digest(clock, 20)
    door.shut = Outcome("relay", 421, "421 4.3.2 the machine is on fire", "greeting", "relay")
    for _ in range(4 * 24 * 2):
        run()
        clock.forward(minutes=30)
    assert not rows("failed")
    door.shut = None
    door.answer = lambda to, number: judge("rcpt", 450, "4.2.0 Greylisted") if number % 2 else TAKEN
    for _ in range(6):
        run()
        clock.forward(hours=5)
    assert states() == {"sent": 20}


def test_a_server_that_takes_a_few_letters_a_day_gets_them_all_in_the_end(door, clock):
    digest(clock, 60)
    taken: list[object] = []

    def few_a_day(to: str, number: int) -> Outcome:
        if sum(clock.now - at < timedelta(hours=24) for at in taken) >= 10:
            return judge("rcpt", 550, "5.4.5 Daily user sending limit exceeded")
        taken.append(clock.now)
        return TAKEN

    door.answer = few_a_day
    for _ in range(10 * 24):
        run()
        clock.forward(hours=1)
    assert states() == {"sent": 60}
    assert len({to for to, _ in door.sent}) == 60
    assert state() == "finished"


def test_letters_that_wait_for_a_slow_rate_grow_no_older(door, clock, setting):
    digest(clock, 20)
    setting(SEND_RATE=20 / (3 * 24 * 3600))
    clock.forward(hours=60)
    run(0.3)
    assert not rows("failed")


def test_a_site_whose_senders_were_dead_for_two_days_gives_up_as_before(door, clock):
    digest(clock, 20)
    clock.forward(hours=49)
    run()
    assert states() == {"failed": 20}
    assert {each.reason for each in rows("failed")} == {"given up"}


def test_a_site_with_one_reader_hears_too_that_its_sender_is_refused(door, clock):
    digest(clock, 1)
    door.answer = lambda to, number: judge("mail", 530, "5.7.0 Authentication required")
    for _ in range(40):
        run()
        clock.forward(minutes=1)
    relay = open_breaker()
    assert relay is not None
    assert relay.reply == "530 5.7.0 Authentication required"
    assert states() == {"pending": 1}
