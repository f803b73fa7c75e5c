"""The processes of the Procfile and their Redis: whatever is killed, the digest goes on, and no letter is lost or
doubled."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.deployment import Deployment
from tests.crash.pauses import GOES_ON_WITHIN
from tests.crash.processes import until
from tests.crash.scene import WINDOW, Scene

OF_THE_DATABASE = ("sender's child", "sender")
"""Those that may be killed amid a transaction of a digest that is sent: the kind of database matters to them alone."""
EACH = (*OF_THE_DATABASE, "mail server", "redis and its data", "clock", "worker")


@pytest.fixture
def deployment(scene: Scene, tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(tmp_path, scene.environment | {"SEND_RATE": "150", "SEND_CONNECTIONS": "2"})
    yield made
    made.close()


def test_the_digest_goes_on_whatever_is_killed(scene: Scene, deployment: Deployment):
    scene.readers(500 if scene.on_postgresql else 250)
    scene.freeze()
    deployment.start_sending(scene)
    until(lambda: len(scene.mail.letters()) > 20, "the first letters")
    for what in EACH if scene.on_postgresql else OF_THE_DATABASE:
        taken = len(scene.mail.letters())
        if what == "mail server":
            scene.mail.kill()
            scene.mail.start()
        else:
            deployment.kill(what)
        until(lambda before=taken: len(scene.mail.letters()) > before + 20, f"letters without {what}", GOES_ON_WITHIN)
    scene.wait_until_nothing_is_owed()
    # Each of two killed senders leaves a window in doubt on each of two connections, the killed mail server one letter.
    scene.reckon().assert_exact(WINDOW * 2 * 2 + 2)
