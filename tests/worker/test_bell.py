"""The bell rings after a commit, never waits for Redis, and is never needed."""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import redis
from kombu.exceptions import OperationalError

from db.monitoring.pauses import QUEUES
from db.session import ring, writing
from db.setting_errors import BadSettings
from tests import prepared
from worker import bell
from worker.app import app
from worker.processes import schedule


@pytest.fixture
def broker(redis_url):
    """The application on the test's own Redis."""
    app.conf.broker_url = redis_url
    app._pool = None
    with redis.Redis.from_url(redis_url) as client:
        yield client
    app._pool = None


@pytest.fixture
def made(house, monkeypatch) -> Iterator[bell.Bell]:
    """A bell of the test's own, whose thread ends with it."""
    made = bell.Bell()
    yield made
    monkeypatch.setattr(bell, "publish", sys.exit)
    made.ring(frozenset({"votes"}))


def test_a_message_carries_the_tasks_name_and_nothing_else(broker):
    bell.publish("votes")
    [message] = broker.lrange("verdicts:votes", 0, -1)
    assert b'"task": "votes.fold"' in message
    assert broker.llen("verdicts:votes") == 1


def test_a_queue_that_nobody_reads_holds_one_message_of_each_task(broker):
    for _ in range(5):
        for each in schedule.BELLS:
            bell.publish(each)
        for entry in schedule.ENTRIES:  # as the clock does
            app.send_task(entry.task, queue=entry.queue)
    waiting = {queue: broker.llen(f"verdicts:{queue}") for queue in QUEUES}
    assert waiting == {"votes": 1, "jobs": 4, "mail": 1, "outside": 1}


def test_no_message_expires_since_the_hosts_clocks_may_differ(broker):
    bell.publish("votes")
    assert json.loads(broker.lindex("verdicts:votes", 0))["headers"]["expires"] is None
    assert all("expires" not in entry["options"] for entry in schedule.beat().values())


def test_many_commits_at_once_are_few_messages(broker, sqlite, made):
    for _ in range(200):
        made.ring(frozenset({"votes"}))
    end = time.monotonic() + 10
    while not broker.llen("verdicts:votes"):
        assert time.monotonic() < end
    assert broker.llen("verdicts:votes") <= 3


def test_a_commit_rings_and_a_rollback_does_not(sqlite, monkeypatch):
    heard: list[frozenset[str]] = []
    monkeypatch.setattr("db.session._listeners", [heard.append])
    with writing() as session:
        ring(session, "mail")
    with pytest.raises(RuntimeError), writing() as session:  # noqa: PT012
        ring(session, "votes")
        raise RuntimeError
    assert heard == [frozenset({"mail"})]


PUBLISH = """
from kombu.exceptions import OperationalError
from worker import bell
try:
    bell.publish("votes")
except OperationalError:
    print("gave up")
"""


def test_without_redis_a_publish_fails_soon(setting, house):
    with pytest.raises(BadSettings):
        bell.publish("votes")
    environment = {**os.environ, "REDIS_URL": "redis://127.0.0.1:1/0"}
    told = prepared.run("python", "-c", PUBLISH, env=environment, timeout=20)
    assert (told.returncode, told.stdout) == (0, "gave up\n"), told.stderr


def test_a_ring_without_redis_does_not_fail(house, made, monkeypatch):
    tried = threading.Event()

    def publish(queue: str) -> None:
        tried.set()
        raise OperationalError

    monkeypatch.setattr(bell, "publish", publish)
    made.ring(frozenset({"votes"}))
    assert tried.wait(10)
    tried.clear()
    made.ring(frozenset({"votes"}))
    assert tried.wait(10), "the thread lives on"


def test_every_bell_rings_for_a_task_of_the_clock():
    entries = {entry.task for entry in schedule.ENTRIES}
    assert set(schedule.BELLS.values()) == entries - {"alerts.watch", "people.forget"}, (
        "these are rung for by the clock alone"
    )
    assert {entry.queue for entry in schedule.ENTRIES} == set(QUEUES)
