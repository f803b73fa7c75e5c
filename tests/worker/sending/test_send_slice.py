"""A slice of sending: which letters it takes, and when it ends."""

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from db.deliveries import deliveries
from db.deliveries.claiming import claims
from db.deliveries.claiming.claims import Batch, Terms
from db.session import reading, writing
from emails.replies import Outcome, judge
from tests.claiming import begin
from tests.transports import digest, rows, run, state, states
from worker.letters import composing
from worker.processes import heartbeats
from worker.sending import send_slice, slice_run


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
    send_slice.send()
    assert pulse.done == 20


def test_a_slice_that_is_over_claims_nothing(door, clock):
    digest(clock, 30)
    assert send_slice.run_slice(time.monotonic() - 1) is True
    assert states() == {"pending": 30}
    assert door.sent == []


def test_a_slice_that_ends_amid_a_batch_gives_the_rest_back(door, clock, monkeypatch):
    digest(clock, 30)
    real, slept = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + slept[0])

    def end_the_slice_at_five(to: str, number: int) -> Outcome:
        if number == 5:
            slept[0] = send_slice.SLICE
        return judge("dot", 250, "2.0.0 taken")

    door.answer = end_the_slice_at_five
    assert send_slice.run_slice(real() + send_slice.SLICE) is True
    assert states() == {"sent": 6, "pending": 24}, "the sixth had been announced"
    assert door.closed == 0
    with reading() as session:
        assert session.scalar(text("SELECT count(*) FROM claims")) == 0


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


def test_a_rate_holds_over_a_slice(door, clock, setting):
    setting(SEND_RATE=5)
    digest(clock, 30)
    send_slice.run_slice(time.monotonic() + 0.2)
    assert len(door.sent) <= 10 + 1, "two seconds' worth at most"


def test_a_digest_whose_letter_cannot_be_made_ready_keeps_no_other_waiting(door, clock, monkeypatch):
    made = digest(clock, 3)
    with writing() as session:
        session.execute(text("UPDATE digests SET slot = '2026-W46' WHERE id = :id"), {"id": made})
        session.execute(text("DELETE FROM subscribers"))
    second = digest(clock, 3)
    composer = composing.composer

    def broken(session, letter, about):
        if about == made:
            raise ValueError("no such template")
        return composer(session, letter, about)

    monkeypatch.setattr(composing, "composer", broken)
    run()
    assert second != made
    assert states() == {"sent": 3}


def test_what_a_dead_sender_held_goes_out_in_the_slice_in_which_its_lease_lapses(door, clock, setting, monkeypatch):
    monkeypatch.setattr(slice_run, "LOOKS_ROUND_EVERY", 0.0)
    setting(SEND_CONNECTIONS=2)
    number = digest(clock, 60)
    with writing() as session:
        dead = Terms("dead", 8, 4, timedelta(seconds=30), connections=2)
        batch = claims.claim(session, dead, number, clock.now)
        assert isinstance(batch, Batch)
    begin(batch, clock.now)

    def lapse(to: str, number: int) -> Outcome:
        if number == 3:
            clock.forward(seconds=31)
        return judge("dot", 250, "2.0.0 taken")

    door.answer = lapse
    run()
    assert states() == {"sent": 56, "unknown": 4}


def windows(door) -> list[int]:
    """The windows of the claims under which letters are begun, from now on, at a server that takes 20 ms for each."""
    found: list[int] = []

    def slow(to: str, number: int) -> Outcome:
        time.sleep(0.02)
        with reading() as session:
            found.append(session.scalar(text("SELECT win FROM claims")))
        return judge("dot", 250, "2.0.0 taken")

    door.answer = slow
    return found


def some_slices(begun: list[int], seconds: float = 0.1) -> None:
    """As many slices as it takes until letters are begun."""
    begun.clear()
    while not begun:
        run(seconds)


def test_a_slow_server_is_known_from_the_slice_before(door, clock):
    digest(clock, 60)
    begun = windows(door)
    some_slices(begun)
    assert begun[0] == 8
    some_slices(begun)
    assert set(begun) == {1}


def test_the_window_and_the_rate_are_those_of_today(door, clock, setting):
    digest(clock, 60)
    begun = windows(door)
    some_slices(begun)
    setting(SEND_WINDOW=3)
    some_slices(begun)
    assert begun[0] == 3
    setting(SEND_RATE=5)
    some_slices(begun, 0.5)
    assert set(begun) == {1}
    assert len(begun) <= 4
