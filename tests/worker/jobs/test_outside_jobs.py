"""Outside jobs: a request is made after its claim has committed, with no transaction open, and settled once."""

import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from db import moments
from db.errors import OperationalError
from db.jobs import jobs, outside, retries
from db.jobs.outside import OutsideRequest
from db.monitoring import pauses
from db.session import reading, writing
from tests.outside_requests import make_all
from worker.jobs import jobs as job_worker
from worker.jobs import outside_jobs as outside_worker
from worker.jobs.outside_jobs import OUTSIDE, claim_one, run
from worker.outside.result import Result
from worker.outside_line import OutsideLine, hangs

pytestmark = pytest.mark.usefixtures("database", "clock")


@dataclass(frozen=True)
class Knock(OutsideRequest):
    """A request of these tests."""

    door: str


@pytest.fixture
def knocks(monkeypatch) -> list[str]:
    """The doors that were knocked at."""
    made: list[str] = []

    def knock(job):
        made.append(job.payload["door"])

    monkeypatch.setitem(OUTSIDE, Knock, knock)
    return made


@pytest.fixture
def answer(monkeypatch):
    """Choose what a knock's function does."""
    return lambda function: monkeypatch.setitem(OUTSIDE, Knock, function)


def owe(door: str = "green", receiver: str = "door.example") -> int:
    with writing() as session:
        job = outside.owe(session, Knock(door=door), receiver, moments.now())
        session.flush()
        return job.id


def look(job_id: int) -> jobs.Job:
    with reading() as session:
        job = jobs.get(session, job_id)
        list(job.attempts)
        return job


def test_a_request_is_made_once_and_its_job_succeeds(knocks):
    job = owe()
    make_all()
    make_all()
    assert (knocks, look(job).state) == (["green"], "succeeded")


def test_the_workers_of_events_leave_outside_jobs_alone(knocks):
    job = owe()
    job_worker.work()
    assert (knocks, look(job).state) == ([], "pending")


def test_while_the_request_is_made_anybody_may_write(answer):
    """A transaction that was open during the request would hold SQLite's write lock."""
    seen = []

    def knock(job):
        owe("another door", "elsewhere.example")
        seen.append(look(job.id).state)
        OUTSIDE[Knock] = lambda _: None

    answer(knock)
    job = owe()
    make_all()
    assert (seen, look(job).state) == (["running"], "succeeded")


def test_a_failure_waits_for_its_next_attempt(answer):
    answer(lambda job: 1 / 0)
    job = owe()
    make_all()
    assert (look(job).state, look(job).attempt, look(job).error) == ("pending", 1, "ZeroDivisionError")


def test_a_result_may_say_that_no_further_attempt_helps(answer):
    answer(lambda job: Result(error=ValueError("410 Gone"), final=True))
    job = owe()
    make_all()
    assert (look(job).state, look(job).said) == ("dead", "410 Gone")


def test_a_result_may_say_that_nobody_wants_the_job(answer):
    answer(lambda job: Result(dropped="the endpoint was removed"))
    job = owe()
    make_all()
    assert (look(job).state, look(job).note) == ("discarded", "the endpoint was removed")
    assert look(job).attempts[0].outcome == "discarded"


def test_what_else_is_known_is_written_with_the_settlement(answer):
    answer(lambda job: Result(rows=lambda session, now: pauses.pause(session, "mail", "because", "test", now)))
    owe()
    make_all()
    with reading() as session:
        assert pauses.is_paused(session, "mail")


def test_who_lost_its_claim_writes_nothing(answer, clock):
    answer(lambda job: Result(rows=lambda session, now: pauses.pause(session, "mail", "because", "test", now)))
    owe()
    job = claim_one()
    assert job is not None
    clock.forward(seconds=100)
    with writing() as session:
        jobs.recover(session, moments.now())
    run(job)
    with reading() as session:
        assert not pauses.is_paused(session, "mail")
    assert look(job.id).attempts[0].outcome == "lost"


def test_a_killed_line_s_request_is_made_again_with_the_same_id(knocks, clock):
    job = owe()
    assert claim_one() is not None  # and then its process was killed
    make_all()
    assert knocks == []
    clock.forward(seconds=100)
    make_all()
    clock.forward(seconds=60)
    make_all()
    assert (knocks, look(job).state, look(job).attempt) == (["green"], "succeeded", 2)


def test_a_busy_receiver_s_jobs_do_not_keep_others_waiting(knocks):
    for number in range(3):
        owe(f"busy {number}", "busy.example")
    owe("free", "free.example")
    job = claim_one(["busy.example"])
    assert job is not None
    assert job.payload == {"door": "free"}
    assert claim_one(["busy.example"]) is None


def test_a_paused_queue_waits_and_the_others_go_on(knocks):
    owe()
    with writing() as session:
        pauses.pause(session, "outside", "the receiver is being moved", "ada", moments.now())
    make_all()
    assert knocks == []
    with writing() as session:
        pauses.resume(session, "outside")
    make_all()
    assert knocks == ["green"]


def test_a_dead_job_is_retried_and_edited_by_hand(answer, knocks):
    mended = OUTSIDE[Knock]
    answer(lambda job: Result(error=ValueError("no such door"), final=True))
    first, second = owe("gren"), owe()
    make_all()
    answer(mended)
    with writing() as session:
        retries.retry(session, second, moments.now())
        copy = retries.replace(session, first, {"door": "blue"}, moments.now())
        assert (copy.receiver, copy.queue) == ("door.example", "outside")
    make_all()
    assert sorted(knocks) == ["blue", "green"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            "no route to https://ada:word@hooks.example:8443/T0/B1/secret?token=1",
            "no route to https://hooks.example:8443/…",
        ),
        ("GET 'http://hooks.example/secret' failed", "GET 'http://hooks.example/…' failed"),
        ("refused by ada@reader.example", "refused by a…@r….example"),
    ],
)
def test_what_is_kept_of_a_failure_holds_no_secret_and_nobody(answer, said, kept):
    def knock(job):
        raise RuntimeError(said)

    answer(knock)
    job = owe()
    make_all()
    [attempt] = look(job).attempts
    assert (look(job).said, attempt.message) == (kept, kept)
    assert kept in (attempt.traceback or "")
    assert said not in (attempt.traceback or "")


# ---- a database that is away when a request has been answered ----------------------------------------------------


@pytest.fixture
def away(monkeypatch):
    """Let the database refuse so many transactions that write, from now on."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    real, left = outside_worker.writing, [0]

    @contextmanager
    def writing_unless_away():
        if left[0]:
            left[0] -= 1
            raise OperationalError("commit", None, locked())
        with real() as session:
            yield session

    monkeypatch.setattr(outside_worker, "writing", writing_unless_away)
    return lambda times: left.__setitem__(0, times)


def locked() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def test_an_answer_is_kept_until_the_database_takes_it(answer, away):
    made = []

    def knock(job):
        made.append(job.id)
        away(3)

    answer(knock)
    job = owe()
    make_all()
    assert (made, look(job).state, look(job).attempt) == ([job], "succeeded", 1)


def test_an_answer_that_the_database_never_takes_is_left_to_the_lease(answer, away, clock, monkeypatch):
    monkeypatch.setattr(outside_worker, "SETTLE_SECONDS", -1.0)
    answer(lambda job: away(1))
    job = owe()
    make_all()
    assert look(job).state == "running"
    clock.forward(seconds=100)
    make_all()
    assert (look(job).state, look(job).error) == ("pending", "WorkerLost")


def test_a_mistake_in_what_is_written_with_an_answer_is_a_failed_attempt(answer):
    answer(lambda job: Result(rows=lambda session, now: 1 / 0))
    job = owe()
    make_all()
    assert (look(job).state, look(job).error) == ("pending", "ZeroDivisionError")


def test_a_look_that_goes_on_for_too_long_hangs():
    line = OutsideLine()
    look = line.looks.looks["outside.work"]
    assert not hangs(None, (None, 0), time.monotonic() - 1000)
    assert not hangs(look, (look, look.begun), time.monotonic() - 100)
    assert not hangs(look, (look, look.begun - 1), time.monotonic() - 1000)
    assert hangs(look, (look, look.begun), time.monotonic() - 1000)
