"""A batch on its way: composed and announced ahead, and nobody gets anything beyond the window."""

import time
from email import message_from_bytes, policy
from functools import partial

import pytest
from sqlalchemy.exc import OperationalError

from db.deliveries.limits import breakers
from db.digests import digests
from db.session import reading, writing
from db.subscribers import subscriptions
from emails.replies import Outcome, judge
from emails.transports import TimeOuts, open_transport
from tests.claiming import recover
from tests.emails.scripted_smtp import HANG_UP, SILENCE, ScriptedServer
from tests.transports import SLOT, digest, rows, run, states
from worker.letters import composing
from worker.sending import mail_connections, send_batch, send_slice, slice_state


def test_each_message_is_its_readers_own(door, clock):
    digest(clock, 3)
    run()
    messages = [message_from_bytes(message, policy=policy.default) for _, message in door.sent]
    for field in ("To", "Message-ID", "List-Unsubscribe"):
        assert len({message[field] for message in messages}) == 3
    assert "since 1 November 2026" in messages[0].get_body(("plain",)).get_content()


def test_letters_are_composed_while_the_server_thinks_and_never_twice(door, clock, monkeypatch):
    told, write = [], composing.Composer.write
    monkeypatch.setattr(
        composing.Composer, "write", lambda *given: told.append(f"composed {given[1].id}") or write(*given)
    )
    door.answer = lambda to, number: told.append(f"answered {number}") or judge("dot", 250, "2.0.0 taken")
    digest(clock, 4)
    run()
    assert told == [
        "composed 1", "composed 2", "composed 3", "answered 1", "composed 4", "answered 2", "answered 3", "answered 4",
    ]  # fmt: skip


def test_letters_are_announced_beyond_the_window_but_never_begun_beyond_it(door, clock, setting):
    setting(SEND_WINDOW=4)
    announced, settled = [], []

    def look(to: str, number: int) -> Outcome:
        announced.append(bool(door.announced))
        settled.append(states().get("sent", 0))
        return judge("dot", 250, "2.0.0 taken")

    door.answer = look
    digest(clock, 10)
    run()
    assert announced == [True] * 9 + [False]
    assert all(begun - known <= 4 for begun, known in enumerate(settled, 1)), settled


def test_at_a_set_rate_no_letter_is_announced_before_its_turn(door, clock, setting):
    setting(SEND_RATE=1000)
    announced = []
    door.answer = lambda to, number: announced.append(door.announced) or judge("dot", 250, "2.0.0 taken")
    digest(clock, 10)
    run()
    assert announced == [None] * 10


def test_who_defers_is_heard_out_before_another_letter_is_announced_to_them(door, clock):
    def defer(to: str, number: int) -> Outcome:
        announced.append(bool(door.announced))
        return judge("dot", 451, "4.7.1 too many")

    announced = []
    door.answer = defer
    digest(clock, 20)
    run()
    assert announced == [True, False, False]
    assert states() == {"deferred": 20}


@pytest.mark.parametrize("window", [8, 1])
def test_an_announced_letter_is_sent_though_the_slice_ends(door, clock, setting, monkeypatch, window):
    setting(SEND_WINDOW=window)

    def end(to: str, number: int) -> Outcome:
        if number == 3:
            monkeypatch.setattr(slice_state.Slice, "over", True)
        return judge("dot", 250, "2.0.0 taken")

    door.answer = end
    digest(clock, 20)
    run()
    assert states() == {"sent": 4, "pending": 16}
    assert door.closed == 0


def test_who_left_gets_nothing_though_their_letter_was_announced(door, clock, setting):
    setting(SEND_WINDOW=1)
    digest(clock, 3)

    def leave(to: str, number: int) -> Outcome:
        with writing() as session:
            subscriptions.leave(session, 2, "link", clock.now)
        return judge("dot", 250, "2.0.0 taken")

    door.answer = leave
    run()
    assert [to for to, _ in door.sent] == ["reader-1@reader.example", "reader-3@reader.example"]
    assert states() == {"sent": 2, "skipped": 1}
    assert door.closed == 1, "the server was waiting for the letter that will not come"


def test_who_wakes_after_the_slice_owes_again_what_it_never_began(door, clock, monkeypatch):
    real = send_batch.BatchSend._send_groups

    def sleep_through_the_slice(batch):
        clock.forward(minutes=1)
        send_slice.recover()
        assert states() == {"unknown": 8, "pending": 12}
        batch.slice.end = 0
        real(batch)
        woken.append(batch)

    woken = []
    monkeypatch.setattr(send_batch.BatchSend, "_send_groups", sleep_through_the_slice)
    digest(clock)
    run()
    assert woken
    assert states() == {"pending": 20}
    assert door.sent == []


@pytest.mark.parametrize(
    ("heard", "then"),
    [
        (judge("rcpt", 550, "5.1.1 no such user"), {"failed": 1, "sent": 19}),
        (judge("rcpt", 450, "4.2.0 greylisted"), {"deferred": 1, "sent": 19}),
        (Outcome("relay", None, "no answer in time", "mail"), {"pending": 20}),
    ],
    ids=["refused", "deferred", "not handed over"],
)
def test_an_answer_that_comes_after_the_lease_leaves_no_doubt_where_there_is_none(door, clock, heard, then):
    def answer(to, number):
        if number > 1:
            return judge("dot", 250, "ok")
        clock.forward(minutes=1)
        send_slice.recover()
        assert states() == {"unknown": 8, "pending": 12}
        return heard

    door.answer = answer
    digest(clock)
    run()
    assert states() == then
    if heard.kind == "relay":
        with reading() as session:
            assert [each.reply for each in breakers.open_breakers(session)] == [heard.reply]


def test_a_known_answer_is_kept_though_weighing_it_fails(door, clock, monkeypatch):
    def locked(*_):
        raise OperationalError("database is locked", None, Exception())

    monkeypatch.setattr(breakers, "domain_deferred", locked)
    door.answer = lambda to, number: judge("rcpt", 450, "4.4.1 domain unreachable")
    digest(clock, 6)
    run()
    assert states() == {"deferred": 3, "pending": 3}


@pytest.mark.parametrize("end", [HANG_UP, SILENCE], ids=["hangs up", "silent"])
def test_a_letter_announced_to_a_server_that_has_gone_waits_for_the_next_slice(
    sqlite, clock, setting, monkeypatch, end
):
    real = send_batch.BatchSend._handed_over

    def the_slice_ends_meanwhile(batch, *given):
        outcome = real(batch, *given)
        batch.slice.end = 0
        return outcome

    monkeypatch.setattr(send_batch.BatchSend, "_handed_over", the_slice_ends_meanwhile)
    opened = partial(open_transport, time_outs=TimeOuts(5, 1, 1))
    monkeypatch.setattr(mail_connections, "transport_of", lambda config: opened(config.mail_url))
    with ScriptedServer({"dot": [end, "250 Ok"]}) as server:
        setting(MAIL_URL=f"smtp://127.0.0.1:{server.port}", MAIL_FROM="Verdicts <digest@verdicts.example>")
        digest(clock, 20)
        run()
    assert states() == {"unknown": 1, "pending": 19}


def test_who_leaves_in_the_middle_of_a_batch_gets_nothing_beyond_the_window(door, clock, setting):
    setting(SEND_WINDOW=4)
    digest(clock, 30)

    def leave_at_five(to: str, number: int) -> Outcome:
        if number == 5:
            with writing() as session:
                for subscriber in range(1, 31):
                    subscriptions.leave(session, subscriber, "link", clock.now)
        return judge("dot", 250, "ok")

    door.answer = leave_at_five
    run()
    assert len(door.sent) <= 5 + 4
    assert states() == {"sent": len(door.sent), "skipped": 30 - len(door.sent)}
    assert {each.reason for each in rows("skipped")} == {"unsubscribed"}


def test_pause_stops_within_the_window_and_resume_goes_on(door, clock, setting):
    setting(SEND_WINDOW=4)
    digest(clock, 30)

    def pause_at_five(to: str, number: int) -> Outcome:
        if number == 5:
            with writing() as session:
                digests.move(session, SLOT, "pause", clock.now)
        return judge("dot", 250, "ok")

    door.answer = pause_at_five
    run()
    sent = len(door.sent)
    assert sent <= 5 + 4
    assert states() == {"sent": sent, "pending": 30 - sent}
    run()
    assert len(door.sent) == sent
    with writing() as session:
        digests.move(session, SLOT, "resume", clock.now)
    run()
    assert states() == {"sent": 30}
    assert len({to for to, _ in door.sent}) == 30


def test_a_batch_that_lasts_longer_than_its_lease_stays_its_senders_own(door, clock, setting):
    setting(SEND_WINDOW=4, SEND_LEASE=30)
    taken_away = []

    def take_five_seconds(to: str, number: int) -> Outcome:
        taken_away.append(recover(clock.forward(seconds=5)))
        return judge("dot", 250, "2.0.0 taken")

    door.answer = take_five_seconds
    digest(clock, 20)
    run()
    assert taken_away == [0] * 20
    assert states() == {"sent": 20}


def test_letters_that_take_long_extend_the_lease_before_the_window_is_full(door, clock, setting, monkeypatch):
    setting(SEND_WINDOW=8, SEND_LEASE=30)
    real, slept, taken_away = time.monotonic, [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: real() + slept[0])

    def take_twelve_seconds(to: str, number: int) -> Outcome:
        slept[0] += 12
        taken_away.append(recover(clock.forward(seconds=12)))
        return judge("dot", 250, "2.0.0 taken")

    door.answer = take_twelve_seconds
    digest(clock, 8)
    run(seconds=600)
    assert taken_away == [0] * 8
    assert states() == {"sent": 8}


def test_a_letter_that_cannot_be_composed_keeps_nobody_waiting(door, clock, monkeypatch):
    digest(clock, 10)
    write = composing.Composer.write

    def broken(self, taken):
        if taken.id == 4:
            raise ValueError("this one is broken")
        return write(self, taken)

    monkeypatch.setattr(composing.Composer, "write", broken)
    run()
    assert states() == {"sent": 9, "deferred": 1}
    assert rows("deferred")[0].reply == "ValueError: this one is broken"
