"""A worker's thread looks at the tables by itself; a message makes it look sooner, and a failure makes it wait."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from tests.crash.processes import until
from worker import child
from worker.child import Child
from worker.processes import ending, heartbeats, looks
from worker.processes.looks import CannotBegin, Look, Looks
from worker.processes.schedule import ENTRIES, ScheduleEntry, entry_of
from worker.processes.trouble import Trouble
from worker.tasks import WORKS

pytestmark = pytest.mark.usefixtures("sqlite")

Start = Callable[..., Looks]


@pytest.fixture(autouse=True)
def pulse(monkeypatch) -> heartbeats.Pulse:
    fresh = heartbeats.Pulse()
    monkeypatch.setattr(heartbeats, "_pulse", fresh)
    return fresh


@pytest.fixture
def start(monkeypatch) -> Iterator[Start]:
    """Starts the thread of a process that works as told, with `every` as seconds between two looks; and ends it."""
    monkeypatch.setattr(ending, "_asked", threading.Event())
    started: list[tuple[Looks, threading.Thread]] = []

    def begin(every: float = 60.0, **works: Callable[[], object]) -> Looks:
        table = {ScheduleEntry(name, "votes", every, 15, "for this test"): work for name, work in works.items()}
        made = Looks("worker", table)
        for each in made.looks.values():
            each.due = 0.0
        thread = threading.Thread(target=made.work, daemon=True)
        thread.start()
        started.append((made, thread))
        return made

    yield begin
    ending.ask()
    for made, thread in started:
        made.hasten()
        thread.join(10)
        assert not thread.is_alive()


def rung(made: Looks, task: str) -> threading.Thread:
    """A message that has come, and waits as Celery's task does."""
    thread = threading.Thread(target=made.ring, args=(task,), daemon=True)
    thread.start()
    return thread


def test_every_task_has_its_work():
    assert {*WORKS, "outside.work"} == {entry.task for entry in ENTRIES}  # the outside line is no Celery


def test_it_looks_by_itself_without_any_message(start):
    seen: list[float] = []
    start(0.05, votes=lambda: seen.append(time.monotonic()))
    until(lambda: len(seen) >= 10, "ten looks")
    assert 0.3 < seen[9] - seen[0] < 5


def test_a_message_makes_it_look_at_once_and_waits_for_that_look(start):
    seen, may_end = [], threading.Event()

    def work() -> None:
        seen.append(1)
        may_end.wait(10)

    made = start(votes=work)
    until(lambda: len(seen) == 1, "the first look")
    message = rung(made, "votes")
    until(lambda: made.waiting, "the message")
    assert len(seen) == 1, "the thread is amid its first look, which began before the message came"
    assert message.is_alive()
    may_end.set()
    message.join(10)
    assert not message.is_alive()
    assert len(seen) == 2


def test_it_goes_on_at_once_while_work_is_left_and_other_looks_get_their_turn(start):
    left, folded = iter([True] * 50 + [False] * 1000), []
    made = start(jobs=lambda: next(left), votes=lambda: folded.append(1))
    until(lambda: made.looks["jobs"].ended > 50, "51 slices without a message")
    assert folded


def test_after_a_look_that_failed_no_message_is_taken_until_the_pause_is_over(start, monkeypatch):
    monkeypatch.setattr(looks, "PAUSE", (0.5, 0.6))
    failed: list[float] = []

    def sick() -> None:
        failed.append(time.monotonic())
        raise CannotBegin("no connection")

    made = start(0.01, mail=sick)
    until(lambda: failed, "the first failure")
    for _ in range(3):  # as fast as Redis gives them
        rung(made, "mail").join(10)
    assert len(failed) >= 4
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(failed))


def test_what_one_look_cannot_do_stops_no_other(start, monkeypatch):
    monkeypatch.setattr(looks, "PAUSE", (30.0, 30.0))
    folded = []

    def sick() -> None:
        raise ValueError("a mistake of ours")

    made = start(0.01, jobs=sick, votes=lambda: folded.append(1))
    until(lambda: made.looks["jobs"].ended and len(folded) > 5, "folds beside a sick look")


def test_pauses_grow_only_for_what_says_so(start, pulse):
    made = start(votes=lambda: None)
    look = made.looks["votes"]
    until(lambda: look.ended, "the first look")

    def pauses(error: Exception) -> list[float]:
        look.trouble = Trouble("votes")
        found = []
        for _ in range(8):
            made._failed(look, error)
            found.append(look.quiet_until - time.monotonic())
        return found

    assert all(1.9 < pause <= 5 for pause in pauses(CannotBegin("no session")))
    far = CannotBegin("no road to the mail server")
    far.longest = 60.0
    *_, last = pauses(far)
    assert 20 < last <= 60
    assert pulse.work_failure == "no road to the mail server"


def test_a_failure_is_one_line_that_counts(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    trouble = Trouble("mail.send")
    with capture_logs() as said:
        for _ in range(100):
            trouble.met(CannotBegin("554 go away"), known=True)
            now[0] += 3
            trouble.over()  # nothing was due, which is no news
        now[0] += 30
        trouble.over()
        trouble.over()
    assert [(line["event"], line.get("times")) for line in said] == [
        ("cannot work", None),
        *[("cannot work", times) for times in (21, 41, 61, 81)],
        ("works again", 100),
    ]


def test_a_look_that_hangs_ends_its_process_and_one_that_stood_still_does_not(monkeypatch):
    made = Looks("worker", {entry_of("votes.fold"): lambda: None})
    one = Child(made)
    ends: list[int] = []
    monkeypatch.setattr(Child, "finish", lambda self, patience: None)
    monkeypatch.setattr(Child, "leave", lambda self, code: ends.append(code))
    monkeypatch.setattr(Child, "_at", lambda self: "here")
    look: Look = made.looks["votes.fold"]
    made.current = look
    with capture_logs() as said:
        for _ in range(round(look.entry.limit / child.TICK) + 1):
            one._glance(child.TICK)
        assert ends == []
        one._glance(child.TICK)
    assert ends == [1]
    assert said[0]["what"] == "votes.fold"
    look.begun += 1
    one._glance(child.TICK)
    assert ends == [1], "another look has begun"
