"""A sender gets TERM in the middle of a digest: letters that it has begun are settled, all others are still queued."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from db.deliveries.claims import Claim
from db.session import reading
from tests.crash.deployment import Deployment
from tests.crash.processes import until
from tests.crash.scene import Scene
from web.cli.supervise import TERM_SECONDS

READERS, SLOW = 600, 0.02
"""More readers than one slice can serve, at this many seconds for each letter."""


@pytest.fixture
def deployment(scene: Scene, tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(tmp_path, scene.environment | {"SEND_CONNECTIONS": "2", "SEND_LEASE": "60"})
    yield made
    made.close()


def test_a_sender_that_is_told_to_end_leaves_nothing_in_doubt(scene: Scene, deployment: Deployment):
    scene.readers(READERS)
    scene.freeze()
    scene.address()
    scene.mail.order(do="delay", seconds=SLOW)
    deployment.start_sender(scene, "--include", "tests.crash.brief")
    until(lambda: len(scene.mail.letters()) > 20, "the first letters")
    deployment.terminate("sender", TERM_SECONDS)
    taken = len(scene.mail.letters())
    assert taken < READERS
    assert {state: number for state, number in scene.account().states.items() if number} == {
        "sent": taken,
        "pending": READERS - taken,
    }
    with reading() as session:
        assert session.scalars(select(Claim.id)).all() == []
    assert not scene.mail.doubled()
