"""The outside line: receivers hang, the process is killed or told to end, and each request is made at least once."""

import contextlib
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from db import moments, rules
from db.jobs import jobs
from db.jobs.jobs import Job
from db.monitoring import heartbeats, pauses
from db.session import reading, writing
from tests.crash import postgresql
from tests.crash.processes import until
from tests.outside_requests import TOLD_TO_END, owe_knock
from tests.prepared import Command
from tests.receivers import Receiver, answering, hanging, hear, receiving
from worker import bell
from worker.outside import http_client
from worker.processes import ending


class Line:
    """An outside line of its own process."""

    def __init__(self, log: str) -> None:
        self.said = Path(log).read_text
        with open(log, "ab") as file:
            words = ["python", "-m", "tests.outside_requests"]
            self.process = Command(words, stdout=file.fileno(), stderr=file.fileno())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def _ring(queues: frozenset[str]) -> None:
    """Ring in the thread that commits: a bell's own would outlive the test."""
    for each in queues:
        with contextlib.suppress(Exception):
            bell.publish(each)


@pytest.fixture
def lines(setting, redis_url, database, tmp_path, monkeypatch) -> Iterator[list[Line]]:
    setting(OUTSIDE_NETWORKS="127.0.0.0/8", REDIS_URL=redis_url)
    monkeypatch.setattr("db.session._listeners", [_ring])
    made: list[Line] = []
    yield made
    for each in made:
        each.kill()


@pytest.fixture
def start(lines, tmp_path):
    def another() -> Line:
        lines.append(Line(str(tmp_path / "line.log")))
        return lines[-1]

    return another


def look(job_id: int) -> Job:
    with reading() as session:
        job = jobs.get(session, job_id)
        list(job.attempts)
        return job


def state(job_id: int) -> str:
    return look(job_id).state


def settled(job_id: int) -> bool:
    return state(job_id) == "succeeded"


def heard_jobs(receiver: Receiver) -> list[int]:
    heads = [each.partition(b"\r\n\r\n")[0].decode() for each in receiver.heard]
    return [int(line.partition(": ")[2]) for head in heads for line in head.split("\r\n") if line.startswith("X-Job")]


@pytest.mark.once
def test_a_request_leaves_within_a_second_and_its_line_writes_heartbeats(start):
    start()
    with receiving(answering()) as receiver:
        owe_and_wait(receiver)
        # Each would take two seconds without a message from Redis; on a machine with much else to do, some take longer.
        until(lambda: owe_and_wait(receiver) < 1, "a request within a second", 30)
    with reading() as session:
        [line] = heartbeats.alive(session, moments.now())["outside"]
        assert line.runs_with["OUTSIDE_NETWORKS"] == "127.0.0.0/8"


def owe_and_wait(receiver: Receiver) -> float:
    """The seconds that the request took."""
    began = time.monotonic()
    job = owe_knock(receiver.url())
    until(lambda: settled(job), "the request")
    return time.monotonic() - began


@pytest.mark.once
def test_hanging_receivers_hold_up_nobody(start):
    """Ten receivers that hang, with ten requests each; the answering one's requests go out all the same."""
    with receiving(hanging) as hung, receiving(answering()) as good:
        owed = [owe_knock(hung.url(), receiver=f"hung-{number}") for _ in range(10) for number in range(10)]
        start()
        until(lambda: hung.at_once >= 8, "requests that hang")
        owe_and_wait(good)
        assert given_up(owed) == [], "it came before the first that hang were given up, after ten seconds"
        for _ in range(20):
            owe_and_wait(good)
        assert len(given_up(owed)) <= 16, "these together took less long than two generations of those that hang"
        assert hung.most_at_once <= 16


def given_up(owed: list[int]) -> list[int]:
    with reading() as session:
        return list(session.scalars(select(Job.id).where(Job.id.in_(owed), Job.error.is_not(None))))


@pytest.mark.once
def test_one_receiver_gets_two_requests_at_a_time(start):
    def slow(connection, receiver):
        hear(connection, receiver)
        time.sleep(0.1)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with receiving(slow) as receiver:
        owed = [owe_knock(receiver.url()) for _ in range(12)]
        start()
        until(lambda: all(settled(each) for each in owed), "all of them")
        assert receiver.most_at_once == 2
        assert sorted(heard_jobs(receiver)) == owed


def test_a_killed_line_s_requests_are_made_again_with_the_same_ids(start, lines):
    with receiving(hanging) as hung:
        owed = [owe_knock(hung.url()) for _ in range(2)]
        line = start()
        until(lambda: len(hung.heard) == 2, "the requests")
        line.kill()
        hung.script = answering()
        let_leases_lapse(owed)
        start()
        until(lambda: all(look(each).attempts[0].outcome == "lost" for each in owed), "the recovery")
        due_now(owed)
        until(lambda: all(settled(each) for each in owed), "the requests' good end")
        assert sorted(heard_jobs(hung)) == sorted(owed * 2)
        assert all(look(each).attempt == 2 for each in owed)


def let_leases_lapse(owed: list[int]) -> None:
    long_ago = moments.now() - rules.OUTSIDE_LEASE
    _move(owed, lambda job: setattr(job, "lease", job.lease and long_ago))


def due_now(owed: list[int]) -> None:
    _move(owed, lambda job: setattr(job, "run_after", moments.now()))


def _move(owed, change) -> None:
    if not owed:
        return
    with writing() as session:
        for each in owed:
            change(jobs.get(session, each, lock=True))


@pytest.mark.once
def test_a_line_that_is_told_to_end_settles_what_it_began_and_begins_nothing(start):
    def in_time(connection, receiver):
        hear(connection, receiver)
        receiver.go.wait(60)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with receiving(in_time) as receiver:
        owed = [owe_knock(receiver.url()) for _ in range(6)]
        line = start()
        until(lambda: len(receiver.heard) == 2, "the requests")
        line.process.send_signal(signal.SIGTERM)
        until(lambda: TOLD_TO_END in line.said(), "the line to know")
        receiver.go.set()
        assert line.process.wait(60) == 0
    assert [state(each) for each in owed] == ["succeeded"] * 2 + ["pending"] * 4
    with reading() as session:
        assert heartbeats.running(session, moments.now()) == [], "its last word is that it has ended"


@pytest.mark.once
def test_a_line_amid_hanging_requests_ends_before_supervisors_kill(start):
    with receiving(hanging) as hung:
        owed = owe_knock(hung.url())
        line = start()
        until(lambda: hung.heard, "the request")
        line.process.send_signal(signal.SIGTERM)
        assert line.process.wait(60) == 0
    assert http_client.SECONDS + 5 < ending.WORK_SECONDS, "after which it would leave what is under way unsettled"
    assert (state(owed), look(owed).error) == ("pending", "TooSlow")


@pytest.mark.once
def test_without_redis_it_looks_by_itself(start, setting):
    setting(REDIS_URL="redis://127.0.0.1:9")
    start()
    with receiving(answering()) as receiver:
        owe_and_wait(receiver)
        owe_and_wait(receiver)


@pytest.mark.once
def test_a_paused_queue_goes_on_when_it_is_resumed(start):
    with writing() as session:
        pauses.pause(session, "outside", "the receiver is being moved", "ada", moments.now())
    start()
    with receiving(answering()) as receiver:
        job = owe_knock(receiver.url())
        time.sleep(2.5)
        assert state(job) == "pending"
        with writing() as session:
            pauses.resume(session, "outside")
        until(lambda: settled(job), "the request")


def test_lines_killed_at_any_moment_leave_no_request_unmade(start, lines):
    """Two lines, of which one is killed again and again: before, amid or after requests, before they are settled."""
    chance = random.Random(7)

    def soon(connection, receiver):
        hear(connection, receiver)
        time.sleep(0.02)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with receiving(soon) as receiver:
        owed = [owe_knock(receiver.url(), receiver=f"receiver-{number % 4}") for number in range(100)]
        start()
        for _ in range(2):
            before = len(receiver.heard)
            until(lambda before=before: len(receiver.heard) > before + 5, "further requests")
            time.sleep(chance.uniform(0, 0.2))
            lines.pop(0).kill()
            running = [each for each in owed if state(each) == "running"]
            let_leases_lapse(running)
            start()
        until(lambda: pushed(owed), "the last request")
        repeats = len(heard_jobs(receiver)) - len(owed)
    assert set(heard_jobs(receiver)) == set(owed)
    lost = sum(attempt.outcome == "lost" for each in owed for attempt in look(each).attempts)
    assert repeats <= lost


def pushed(owed: list[int]) -> bool:
    """Whether all have succeeded; back-offs after an attempt that was lost are cut short."""
    with reading() as session:
        found = session.execute(select(Job.id, Job.state, Job.attempt).where(Job.id.in_(owed))).all()
    due_now([each.id for each in found if each.state == "pending" and each.attempt])
    return all(each.state == "succeeded" for each in found)


@pytest.fixture(scope="module")
def server():
    with postgresql.server() as made:
        yield made


@pytest.fixture
def own_server(server, setting, redis_url):
    """A PostgreSQL that the test may restart."""
    server.empty()
    setting(DATABASE_URL=server.url, OUTSIDE_NETWORKS="127.0.0.0/8", REDIS_URL=redis_url)
    return server


def test_an_answer_that_comes_while_postgresql_is_away_is_settled_when_it_is_back(own_server, tmp_path):
    line = Line(str(tmp_path / "line.log"))
    try:
        with receiving(hanging) as hung:
            job = owe_knock(hung.url())
            until(lambda: hung.heard, "the request")
            own_server.stop("immediate")
            hung.script = answering()
            hung.go.set()
            time.sleep(1.5)
            own_server.start()
            until(lambda: look(job).failed_at, "the settlement")
            due_now([job])
            until(lambda: settled(job), "the request's good end")
            assert [each.outcome for each in look(job).attempts] == ["failed", "succeeded"]
            assert line.process.poll() is None
    finally:
        line.kill()
