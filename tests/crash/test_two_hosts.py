"""Two hosts on one PostgreSQL and one Redis: a sick one costs the other nothing, and nobody needs Redis."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from db.deliveries.limits import breakers
from db.session import reading, writing
from db.votes import votes
from tests.crash.deployment import Deployment, free_port
from tests.crash.processes import until
from tests.crash.scene import Scene

pytestmark = [pytest.mark.usefixtures("database")]

READERS, SLOW = 2000, 0.05
"""Many more readers than can be served while a test lasts, at this many seconds for each letter."""
SILENCE = 12.0
"""Seconds; a healthy host is never silent for so long, also on a machine with much else to do."""


@pytest.fixture
def host(scene: Scene, tmp_path: Path) -> Iterator[Deployment]:
    """A host amid a digest."""
    made = Deployment(tmp_path / "one", scene.environment | {"SEND_CONNECTIONS": "2"})
    scene.readers(READERS)
    scene.freeze()
    scene.address()
    scene.mail.order(do="delay", seconds=SLOW)
    made.start("sender")
    until(lambda: len(scene.mail.letters()) > 20, "the first letters")
    yield made
    made.close()


def more_letters(scene: Scene, number: int) -> list[float]:
    """Wait for that many further letters. Returns when each was taken."""
    before = len(scene.mail.letters())
    until(lambda: len(scene.mail.letters()) >= before + number, f"{number} letters")
    return [at for _, at in scene.mail.times()[before - 1 :]]


def longest(times: list[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(times))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # two hosts cannot share SQLite's file
def test_a_host_that_cannot_reach_the_mail_server_silences_nobody(scene: Scene, host: Deployment, tmp_path: Path):
    sick = Deployment(tmp_path / "two", host._environment | {"MAIL_URL": f"smtp://127.0.0.1:{free_port()}"}, host)
    try:
        sick.start("sender", "clock")
        until(lambda: "cannot work" in sick.log("sender"), "the first failure")
        assert longest(more_letters(scene, 200)) < SILENCE
        assert sick.log("sender").count("cannot work") == 1, "one line a minute"
    finally:
        sick.close()
    with reading() as session:
        assert breakers.open_breakers(session) == []


@pytest.mark.once
def test_letters_leave_and_votes_are_counted_while_redis_is_away(scene: Scene, host: Deployment, catalogue):
    host.start("worker")
    until(lambda: host._children("worker"), "the worker's start")
    host.stop_redis()
    times = more_letters(scene, 100)
    with writing() as session:
        votes.cast(session, votes.new_voter(), catalogue.quillmate, "ship", datetime.now(UTC))
    until(counted, "the vote's count", SILENCE)
    host._children("sender")[0].kill()
    until(lambda: host._children("sender"), "another child in its place, without Redis", SILENCE)
    assert longest(times) < SILENCE
    host.start_redis()
    more_letters(scene, 20)


def counted() -> bool:
    with reading() as session:
        return not votes.any_dirty(session)
