"""A slice of sending: what each outcome at the door does, and who gets nothing any more."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from db import deliveries, digests, outcomes, relays, schedule, subscribers
from db.outcomes import Chosen
from db.session import reading, writing
from emails.letters import mark
from emails.outcomes import Following, Meanwhile, Outcome, Outgoing, judge
from web.cli import main
from worker import heartbeats, letters, sender, sending

SLOT = "2026-W47"


class Door:
    """A door that answers as it is told, and remembers what it was given. A letter announced to it is the next."""

    certain = False

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.answer: Callable[[str, int], Outcome] = lambda to, number: judge("dot", 250, "2.0.0 taken")
        self.shut: Outcome | None = None
        self._announced = threading.local()  # each connection has its own
        self.closed = 0

    @property
    def announced(self) -> Outgoing | None:
        return getattr(self._announced, "letter", None)

    def connect(self) -> Outcome | None:
        return self.shut

    def send(self, letter: Outgoing, following: Following, meanwhile: Meanwhile) -> Outcome:
        assert self.announced in (None, letter)
        self._announced.letter = following()
        self.sent.append((letter.to, letter.message))
        meanwhile()
        return self.answer(letter.to, len(self.sent))

    def close(self) -> None:
        self._announced.letter = None
        self.closed += 1


@pytest.fixture
def door(database, clock, setting, monkeypatch) -> Door:
    setting(MAIL_URL="smtp://relay.example:25", MAIL_FROM="Verdicts <digest@verdicts.example>")
    made = Door()
    monkeypatch.setattr(sender, "open_door", lambda url: made)
    monkeypatch.setattr(sender, "_kept", {})
    monkeypatch.setattr(sender, "_heard", {})
    return made


def digest(clock, readers: int = 20) -> int:
    """A digest on its way to so many readers."""
    html = f'<a href="/unsubscribe/{mark("UNSUBSCRIBE")}">Leave</a> since {mark("SINCE")}'
    with writing() as session:
        for number in range(1, readers + 1):
            session.execute(
                text(
                    "INSERT INTO subscribers (address, address_key, state, created_at, confirmed_at, joined)"
                    " VALUES (:address, :address, 'active', :now, :now, 0)"
                ),
                {"address": f"reader-{number}@reader.example", "now": "2026-11-01 09:00:00"},
            )
        taken = subscribers.freeze(session, clock.now)
        made = digests.open_slot(session, SLOT, schedule.of_digests().due(SLOT), clock.now)
        digests.keep(
            session, made, [], content={}, subject="s", preheader="p", html=html, text=html, frozen_at=clock.now,
            cutoff=clock.now, freeze=taken.number, audience=taken.audience,
        )  # fmt: skip
        while deliveries.address(session, made, clock.now):
            pass
        digests.begin(session, made)
    return made.id


def run(seconds: float = 60) -> bool:
    return sender.run_slice(time.monotonic() + seconds)


def states() -> dict[str, int]:
    with reading(snapshot=True) as session:
        account = deliveries.account(session, digests.get(session, SLOT))
    assert account.holds
    return {state: number for state, number in account.states.items() if number}


def rows(state: str) -> list[deliveries.Delivery]:
    with reading() as session:
        return [each for each, _ in outcomes.listed(session, digests.get(session, SLOT), Chosen((state,)))]


def state() -> str:
    with reading() as session:
        return digests.get(session, SLOT).state


def test_everybody_gets_one_letter_and_the_digest_is_finished(door, clock):
    digest(clock)
    run()
    assert sorted(to for to, _ in door.sent) == sorted(f"reader-{number}@reader.example" for number in range(1, 21))
    assert states() == {"sent": 20}
    assert state() == "finished"
    with reading() as session:
        assert session.scalar(text("SELECT count(*) FROM claims")) == 0
    assert rows("sent")[0].reply == "250 2.0.0 taken"


def test_what_a_slice_settles_is_counted_for_the_processes_sign_of_life(door, clock, monkeypatch):
    pulse = heartbeats.Pulse()
    monkeypatch.setattr(heartbeats, "_pulse", pulse)
    digest(clock, readers=20)
    sender.send()
    assert pulse.done == 20


def test_each_message_is_its_readers_own(door, clock):
    digest(clock, 3)
    run()
    messages = [message_from_bytes(message, policy=policy.default) for _, message in door.sent]
    for field in ("To", "Message-ID", "List-Unsubscribe"):
        assert len({message[field] for message in messages}) == 3
    assert "since 1 November 2026" in messages[0].get_body(("plain",)).get_content()


def test_letters_are_composed_while_the_server_thinks_and_never_twice(door, clock, monkeypatch):
    told, write = [], letters.Composer.write
    monkeypatch.setattr(
        letters.Composer, "write", lambda *given: told.append(f"composed {given[1].id}") or write(*given)
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
        return judge("dot", 451, "4.7.1 slow down")

    announced = []
    door.answer = defer
    digest(clock, 20)
    run()
    assert announced == [True, False, False]
    assert states() == {"deferred": 20}


def test_an_announced_letter_is_sent_though_the_slice_ends(door, clock, monkeypatch):
    def end(to: str, number: int) -> Outcome:
        if number == 3:
            monkeypatch.setattr(sending.Slice, "over", True)
        return judge("dot", 250, "2.0.0 taken")

    door.answer = end
    digest(clock, 20)
    run()
    assert states() == {"sent": 4, "pending": 16}
    assert door.announced is None


def test_who_left_gets_nothing_though_their_letter_was_announced(door, clock, setting):
    setting(SEND_WINDOW=1)
    digest(clock, 3)

    def leave(to: str, number: int) -> Outcome:
        with writing() as session:
            subscribers.leave(session, 2, "link", clock.now)
        return judge("dot", 250, "2.0.0 taken")

    door.answer = leave
    run()
    assert [to for to, _ in door.sent] == ["reader-1@reader.example", "reader-3@reader.example"]
    assert states() == {"sent": 2, "skipped": 1}
    assert door.closed == 1, "the server was waiting for the letter that will not come"


def test_who_wakes_after_the_slice_owes_again_what_it_never_began(door, clock, monkeypatch):
    real = sending.Sending.go

    def sleep_through_the_slice(batch):
        clock.forward(minutes=1)
        sender.recover()
        assert states() == {"unknown": 8, "pending": 12}
        batch.slice.end = 0
        real(batch)
        woken.append(batch)

    woken = []
    monkeypatch.setattr(sending.Sending, "go", sleep_through_the_slice)
    digest(clock)
    run()
    assert woken
    assert states() == {"pending": 20}
    assert door.sent == []


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
    door.answer = lambda to, number: judge("rcpt", 451, "4.3.0 busy") if number == 1 else judge("dot", 250, "ok")
    run()
    assert states() == {"deferred": 1}
    [waits] = rows("deferred")
    assert timedelta(minutes=4) <= waits.not_before - clock.now <= timedelta(minutes=6)
    assert state() == "sending"
    clock.forward(minutes=7)
    run()
    assert states() == {"sent": 1}
    first, again = (message_from_bytes(message)["Message-ID"] for _, message in door.sent)
    assert first == again


def test_a_letter_that_is_deferred_for_two_days_is_given_up(door, clock):
    digest(clock, 1)
    door.answer = lambda to, number: judge("rcpt", 451, "4.3.0 busy")
    for _ in range(20):
        run()
        clock.forward(hours=5)
    assert states() == {"failed": 1}
    assert (rows("failed")[0].reason or "").startswith("given up")


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
        outcomes.resolve(session, made, False, clock.now)
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
        [relay] = relays.all_open(session)
        assert relay.reply == "421 4.3.2 shutting down"
    told = CliRunner().invoke(main, ["digest", "show", SLOT]).output
    assert "! smtp://relay.example:25 refuses since 2026-11-17 08:00 UTC: 421 4.3.2 shutting down" in told
    run()
    assert len(door.sent) == 4, "the breaker is open"
    clock.forward(seconds=10)
    run()
    assert states() == {"sent": 20}


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
        assert relays.all_open(session) == []


def test_who_leaves_in_the_middle_of_a_batch_gets_nothing_beyond_the_window(door, clock, setting):
    setting(SEND_WINDOW=4)
    digest(clock, 30)

    def leave_at_five(to: str, number: int) -> Outcome:
        if number == 5:
            with writing() as session:
                for subscriber in range(1, 31):
                    subscribers.leave(session, subscriber, "link", clock.now)
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


def test_a_slice_that_is_over_gives_the_rest_back(door, clock):
    digest(clock, 30)
    real = time.monotonic()
    ended: list[bool] = []

    def slow(to: str, number: int) -> Outcome:
        ended.append(True)
        return judge("dot", 250, "ok")

    door.answer = slow
    assert sender.run_slice(real - 1) is True
    assert states() == {"pending": 30}
    assert ended == []


def test_a_letter_that_cannot_be_composed_keeps_nobody_waiting(door, clock, monkeypatch):
    digest(clock, 10)
    write = letters.Composer.write

    def broken(self, taken, date):
        if taken.id == 4:
            raise ValueError("this one is broken")
        return write(self, taken, date)

    monkeypatch.setattr(letters.Composer, "write", broken)
    run()
    assert states() == {"sent": 9, "deferred": 1}
    assert rows("deferred")[0].reply == "ValueError: this one is broken"


def test_several_connections_share_the_work(door, clock, setting):
    setting(SEND_CONNECTIONS=4, SEND_WINDOW=2)
    digest(clock, 500)
    run()
    assert states() == {"sent": 500}
    assert len({to for to, _ in door.sent}) == 500


def test_single_letters_go_before_a_digest(door, clock):
    digest(clock, 5)
    with writing() as session:
        session.execute(text("INSERT INTO subscribers (address, address_key, state, created_at)"
                             " VALUES ('new@reader.example', 'new@reader.example', 'pending', :now)"),
                        {"now": str(datetime.now(UTC))[:19]})  # fmt: skip
        deliveries.owe(session, "confirm", 1, "subscriber:6", clock.now)
    run()
    assert door.sent[0][0] == "new@reader.example"
    assert len(door.sent) == 6


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
        assert relays.all_open(session) == []


def test_a_rate_holds_over_a_slice(door, clock, setting):
    setting(SEND_RATE=5)
    digest(clock, 30)
    sender.run_slice(time.monotonic() + 0.2)
    assert len(door.sent) <= 10 + 1, "two seconds' worth at most"


def test_a_pause_does_not_make_letters_old(door, clock):
    digest(clock, 20)
    with writing() as session:
        digests.move(session, SLOT, "pause", clock.now)
    clock.forward(days=4)
    with writing() as session:
        digests.move(session, SLOT, "resume", clock.now)
    run()
    assert states() == {"sent": 20}


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
    assert states()["failed"] == 10
    with reading() as session:
        [relay] = relays.all_open(session)
        assert relay.reply == "554 5.7.1 relay access denied"
    door.answer = lambda to, number: judge("dot", 250, "ok")
    clock.forward(hours=1)
    run()
    assert states() == {"failed": 10, "sent": 50}


def test_a_digest_whose_letter_cannot_be_made_ready_keeps_no_other_waiting(door, clock, monkeypatch):
    made = digest(clock, 3)
    with writing() as session:
        session.execute(text("UPDATE digests SET slot = '2026-W46' WHERE id = :id"), {"id": made})
        session.execute(text("DELETE FROM subscribers"))
    second = digest(clock, 3)
    composer = letters.composer

    def broken(session, letter, about):
        if about == made:
            raise ValueError("no such template")
        return composer(session, letter, about)

    monkeypatch.setattr(letters, "composer", broken)
    run()
    assert second != made
    assert states() == {"sent": 3}
