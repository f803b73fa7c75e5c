"""The Procfile's own processes, with Redis between them: whatever is killed, the digest goes on and is exact."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.deployment import Deployment
from tests.crash.processes import until
from tests.crash.scene import WINDOW, Scene

GOES_ON_WITHIN = 45.0
"""Seconds after any kill in which the next letters have to arrive."""


@pytest.fixture
def deployment(scene: Scene, tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(tmp_path, scene.environment | {"SEND_RATE": "150", "SEND_CONNECTIONS": "2"})
    yield made
    made.close()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # `make crash` does it on both
def test_the_digest_goes_on_whatever_is_killed(scene: Scene, deployment: Deployment):
    scene.readers(400)
    scene.freeze()
    deployment.start_all(scene)
    until(lambda: len(scene.mail.letters()) > 20, "the first letters")
    for what in ("sender's child", "redis and its data", "clock", "worker", "sender"):
        taken = len(scene.mail.letters())
        deployment.kill(what)
        until(lambda before=taken: len(scene.mail.letters()) > before + 20, f"letters without {what}", GOES_ON_WITHIN)
    scene.wait_until_nothing_is_owed()
    scene.reckon().assert_exact(WINDOW * 2 * 2)  # two kills of a sender with two connections
