"""A sender gets TERM in the middle of a digest: it ends when the letters that it has begun are settled."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from db.deliveries.claiming.claims import Claim
from db.deliveries.limits import breakers
from db.monitoring import heartbeats
from db.session import reading
from tests.crash.deployment import Deployment
from tests.crash.processes import until
from tests.crash.scene import Scene
from web.processes.supervise import TERM_SECONDS

READERS, SLOW = 600, 0.05
"""Many more readers than can be served while the test lasts, at this many seconds for each letter."""
AT_ONCE = 15.0
"""Seconds within which a process ends whose work ends at once; the children do so within the first of them, if the
machine has nothing else to do. One that waited for its work would need twenty."""


@pytest.fixture
def deployment(scene: Scene, tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(tmp_path, scene.environment | {"SEND_CONNECTIONS": "2", "SEND_LEASE": "60"})
    yield made
    made.close()


def amid_a_digest(scene: Scene, deployment: Deployment, *options: str) -> None:
    """A sender that has sent the first letters of a digest over two connections."""
    scene.readers(READERS)
    scene.freeze()
    scene.address()
    scene.mail.order(do="delay", seconds=SLOW)
    deployment.start_sender(scene, *options)
    until(lambda: len(scene.mail.letters()) > 20, "the first letters")


def states(scene: Scene) -> dict[str, int]:
    """The letters by state, once no claim is left."""
    with reading() as session:
        assert session.scalars(select(Claim.id)).all() == []
    assert not scene.mail.doubled()
    return {state: number for state, number in scene.account().states.items() if number}


def test_a_sender_that_is_told_to_end_finishes_its_letters_and_ends_right_then(scene: Scene, deployment: Deployment):
    amid_a_digest(scene, deployment)
    before = len(scene.mail.letters())
    deployment.terminate("sender", AT_ONCE)
    taken = len(scene.mail.letters())
    assert taken <= before + 60, "it begins no further letters"
    assert states(scene) == {"sent": taken, "pending": READERS - taken}


@pytest.mark.once
def test_a_sender_whose_mail_server_hangs_is_broken_off_and_only_those_letters_are_in_doubt(
    scene: Scene, deployment: Deployment
):
    amid_a_digest(scene, deployment, "--include", "tests.crash.brief")
    scene.mail.order(do="hold", stage="reply", times=2)
    for _ in range(2):
        scene.mail.wait_for_held("reply")
    taken = len(scene.mail.letters())
    deployment.terminate("sender", TERM_SECONDS)
    assert states(scene) == {"sent": taken - 2, "unknown": 2, "pending": READERS - taken}
    with reading() as session:
        assert breakers.open_breakers(session) == [], "the mail server did nothing wrong"


def lives(kind: str) -> bool:
    """Whether a process of that kind counts as running."""
    with reading() as session:
        return any(each.kind == kind for each in heartbeats.running(session, datetime.now(UTC)))


@pytest.mark.once
def test_idle_processes_end_at_once(scene: Scene, deployment: Deployment):
    deployment.start("worker", "sender")
    for name in ("worker", "sender"):
        until(lambda name=name: deployment._children(name), f"the {name}'s start")
        until(lambda name=name: lives(name), f"the {name}'s heartbeat")
        deployment.terminate(name, AT_ONCE)
        assert not lives(name), "from then on nobody counts on it"
