"""PostgreSQL is restarted while letters are sent: nothing is lost, doubled, or even in doubt."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import postgresql
from tests.crash.deployment import Deployment
from tests.crash.postgresql import Server
from tests.crash.processes import Nursery, until
from tests.crash.scene import LEASE, SETTINGS, Scene
from web.processes.supervise import TERM_SECONDS

READERS, SLOW = 600, 0.01


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql.server() as made:
        yield made


@pytest.fixture
def scene(server: Server, setting, tmp_path: Path, nursery: Nursery) -> Iterator[Scene]:
    """A digest that two senders have begun to send, over three connections each."""
    setting(**SETTINGS, DATABASE_URL=server.url)
    made = Scene(tmp_path, server.url, nursery, CRASH_CONNECTIONS="3")
    server.empty()
    made.readers(READERS)
    made.freeze()
    made.address()
    made.mail.order(do="delay", seconds=SLOW)
    yield made
    made.close()


def begin(scene: Scene) -> None:
    for _ in range(2):
        scene.fork("send")
    until(lambda: len(scene.mail.letters()) > 30, "the first letters")


def all_arrive(scene: Scene) -> None:
    taken = len(scene.mail.letters())
    assert taken < READERS, "the restarts came too late to tell anything"
    scene.wait_until_nothing_is_owed()
    scene.reckon().assert_exact(0)


def test_a_restart_after_the_leases_leaves_nothing_in_doubt(scene: Scene, server: Server):
    begin(scene)
    server.stop("immediate")
    time.sleep(LEASE + 1.5)
    server.start()
    all_arrive(scene)


def test_restart_after_restart_leaves_nothing_in_doubt(scene: Scene, server: Server):
    begin(scene)
    for mode in ("fast", "immediate", "immediate", "fast"):
        server.stop(mode)
        server.start()
        before = len(scene.mail.letters())
        until(lambda before=before: len(scene.mail.letters()) > before + 5, "letters after the restart")
    all_arrive(scene)


def test_a_sender_that_is_told_to_end_meanwhile_first_writes_what_it_knows(
    scene: Scene, server: Server, tmp_path: Path
):
    deployment = Deployment(tmp_path, scene.environment | {"SEND_CONNECTIONS": "3"})
    try:
        deployment.start_sender(scene)
        until(lambda: len(scene.mail.letters()) > 30, "the first letters")
        server.stop("immediate")
        back = threading.Timer(3, server.start)
        back.start()
        deployment.terminate("sender", TERM_SECONDS)
        back.join()
    finally:
        deployment.close()
    taken = len(scene.mail.letters())
    assert taken < READERS
    assert {state: number for state, number in scene.account().states.items() if number} == {
        "sent": taken,
        "pending": READERS - taken,
    }
    assert not scene.mail.doubled()
