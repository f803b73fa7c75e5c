"""A mail server that refuses one host does not stop the others; one that refuses all of them does."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from db.deliveries.limits import breakers
from db.monitoring.heartbeats import Heartbeat
from db.session import reading, writing
from emails.replies import judge
from tests.transports import digest, states
from worker.alerts.hosts import senders_that_fail
from worker.processes import heartbeats
from worker.processes.looks import Looks
from worker.processes.schedule import entry_of
from worker.sending import send_slice, slice_run
from worker.sending.slice_run import Unreachable

REFUSAL = replace(judge("greeting", 554, "5.7.1 go away"), kind="relay")


@pytest.fixture
def refused(door, clock, monkeypatch) -> None:
    """This process's mail server refuses every connection, and a digest is owed."""
    monkeypatch.setattr(slice_run, "_outages", {})
    monkeypatch.setattr(heartbeats, "_pulse", heartbeats.Pulse())
    door.shut = REFUSAL
    digest(clock)


def beats(clock, process: str, taken: float | None = None, failed: float | None = None, kind: str = "sender") -> None:
    """The heartbeat of another process, which had a letter taken and failed so many seconds ago."""
    ago = {name: None if each is None else clock.now - timedelta(seconds=each)
           for name, each in (("taken_at", taken), ("failed_at", failed))}  # fmt: skip
    with writing() as session:
        session.merge(Heartbeat(process=process, kind=kind, host=process.partition(":")[0], at=clock.now,
                                alive_at=clock.now, started_at=clock.now - timedelta(hours=1), failure="554 go away",
                                **ago))  # fmt: skip


def slice_() -> None:
    send_slice.run_slice(time.monotonic() + 5)


def breaker() -> str | None:
    with reading() as session:
        found = breakers.refusing_server(session)
        return found.reply if found else None


def test_the_only_sender_opens_the_breaker_at_once(refused):
    slice_()
    assert breaker() == "554 5.7.1 go away"
    assert states() == {"pending": 20}


def test_while_another_host_has_letters_taken_only_this_one_waits(refused, clock):
    beats(clock, "well:1", taken=1)
    for _ in range(20):
        with pytest.raises(Unreachable, match="go away"):
            slice_()
        clock.forward(seconds=30)
        beats(clock, "well:1", taken=2)
    assert breaker() is None


def test_when_the_others_fail_too_the_breaker_opens_for_all(refused, clock):
    beats(clock, "well:1", taken=1)
    with pytest.raises(Unreachable):
        slice_()
    clock.forward(seconds=5)
    beats(clock, "well:1", taken=6, failed=2)
    slice_()
    assert breaker() == "554 5.7.1 go away"


def test_others_from_whom_nothing_is_heard_delay_that_for_seconds_only(refused, clock):
    for _ in range(2):
        beats(clock, "old:1")  # of a release that tells neither, or amid a very slow letter
        with pytest.raises(Unreachable):
            slice_()
        clock.forward(seconds=10)
    beats(clock, "old:1")
    slice_()
    assert breaker() == "554 5.7.1 go away"


def test_a_failure_of_long_ago_is_no_failure(refused, clock):
    beats(clock, "well:1", taken=9000, failed=8000)
    with pytest.raises(Unreachable):
        slice_()
    assert breaker() is None


def test_a_new_outage_is_weighed_anew(refused, door, clock):
    beats(clock, "well:1", taken=1)
    with pytest.raises(Unreachable):
        slice_()
    door.shut = None
    send_slice.run_slice(time.monotonic() - 1)  # it connects, and is over
    door.shut = REFUSAL
    clock.forward(minutes=5)
    beats(clock, "well:1", taken=300)
    with pytest.raises(Unreachable):
        slice_()


def test_the_look_waits_ever_longer_and_the_heartbeat_tells_why(refused, clock):
    beats(clock, "well:1", taken=1)
    looks = Looks("sender", {entry_of("mail.send"): send_slice.send})
    [look] = looks.looks.values()
    pauses = []
    for _ in range(8):
        looks.one(look)
        pauses.append(look.quiet_until - time.monotonic())
        clock.forward(seconds=30)
        beats(clock, "well:1", taken=2)
    assert pauses[0] <= 5 < 20 < pauses[-1] <= 60
    assert heartbeats._own().work_failure == "554 5.7.1 go away"


def alerts(clock) -> list[str]:
    with reading() as session:
        return [each.title for each in senders_that_fail(session, clock.now)]


def test_an_alert_names_the_host_that_fails_while_the_others_send(door, clock):
    beats(clock, "well:1", taken=1, failed=100)
    beats(clock, "sick:1", taken=400, failed=20)
    beats(clock, "sick:2", failed=20)
    beats(clock, "blip:1", taken=30, failed=20)
    beats(clock, "idle:1", taken=9000, failed=8000)
    beats(clock, "sick:3", taken=400, failed=20, kind="worker")
    assert alerts(clock) == ["Host sick cannot reach the mail server, or cannot begin to send"]


def test_while_the_mail_server_refuses_everybody_no_host_is_blamed(refused, clock):
    slice_()
    beats(clock, "sick:1", taken=400, failed=20)
    assert alerts(clock) == []


# ---- a server that accepts connections and refuses each letter ----------------------------------------------------


@pytest.fixture
def refused_later(refused, door) -> None:
    """The mail server lets this process connect, and refuses its letters at the recipient, as Postfix does."""
    door.shut = None
    reply = replace(judge("rcpt", 554, "5.7.1 Client host rejected: Access denied"), kind="relay")
    door.answer = lambda to, number: reply


def test_letters_that_are_refused_open_the_breaker_if_this_is_the_only_sender(refused_later):
    slice_()
    assert breaker() is not None
    assert states().get("failed") is None


def test_while_another_host_has_letters_taken_letters_that_are_refused_stop_only_this_one(refused_later, clock):
    for _ in range(10):
        beats(clock, "well:1", taken=1)
        with pytest.raises(Unreachable, match="Client host rejected"):
            slice_()
        clock.forward(seconds=10)
    assert breaker() is None
    assert states().get("failed") is None


def test_once_the_other_hosts_letters_are_refused_too_it_opens(refused_later, clock):
    beats(clock, "sick:1", taken=30, failed=1)
    slice_()
    assert breaker() is not None
