"""Somebody else holds the database for longer than the senders' leases while letters are sent: none is in doubt."""

import time

from tests.crash.processes import until
from tests.crash.scene import LEASE, Scene
from tests.hindered import held

READERS, SLOW = 400, 0.01


def test_a_database_that_takes_no_write_for_a_while_leaves_nothing_in_doubt(scene: Scene):
    scene.readers(READERS)
    scene.freeze()
    scene.address()
    scene.mail.order(do="delay", seconds=SLOW)
    for _ in range(2):
        scene.fork("send", CRASH_PATIENCE="1", CRASH_CONNECTIONS="2")
    until(lambda: len(scene.mail.letters()) > 20, "the first letters")
    with held(scene.environment["DATABASE_URL"], "deliveries"):
        time.sleep(LEASE + 1.5)
    assert len(scene.mail.letters()) < READERS
    scene.wait_until_nothing_is_owed()
    scene.reckon().assert_exact(0)
