"""The mail server hangs up, dies or stops replying at each step: only a letter that it was receiving is in doubt."""

import time

import pytest

from tests.crash.processes import until
from tests.crash.scene import SHORT_LEASE, Scene

pytestmark = pytest.mark.once  # what is settled and fenced on PostgreSQL, test_sending.py and the restarts hold

SLOW = 0.005
"""Seconds for each letter, so that letters go out until the last fault."""


def test_a_connection_dropped_at_each_step_leaves_doubt_only_after_the_final_dot(scene: Scene):
    scene.readers(500)
    scene.freeze()
    scene.address()
    scene.mail.order(do="delay", seconds=SLOW)
    scene.fork("send")
    for stage in ("greeting", "mail", "rcpt", "data", "body", "dot", "reply"):
        taken = len(scene.mail.letters())
        scene.mail.order(do="drop", stage=stage, times=1)
        until(lambda before=taken: len(scene.mail.letters()) > before + 5, f"letters after a drop at {stage}")
    scene.wait_until_nothing_is_owed()
    scene.reckon().assert_exact(3)
    # At `body` too the sender had handed the whole letter to the kernel, and cannot know how much of it arrived.
    assert scene.reckon().unknown == 3


def test_a_mail_server_killed_and_started_again(scene: Scene):
    scene.readers(500)
    scene.freeze()
    scene.address()
    scene.mail.order(do="delay", seconds=SLOW)
    for _ in range(2):
        scene.fork("send")
    for _ in range(4):
        taken = len(scene.mail.letters())
        until(lambda before=taken: len(scene.mail.letters()) > before + 20, "some letters")
        scene.mail.kill()
        scene.mail.start()
        scene.mail.order(do="delay", seconds=SLOW)
    scene.wait_until_nothing_is_owed()
    scene.reckon().assert_exact(2 * 4)  # at most the current letter on each of two connections


def test_a_mail_server_silent_past_the_lease_and_then_well_again(scene: Scene):
    scene.readers(200)
    scene.freeze()
    scene.address()
    stages = ("mail", "data", "dot", "reply")
    for stage in stages:
        scene.mail.order(do="hold", stage=stage, times=1)
        scene.fork("send", SEND_LEASE=str(SHORT_LEASE))
        scene.mail.wait_for_held(stage)
    time.sleep(SHORT_LEASE)
    scene.fork("send")
    scene.wait_until_nothing_is_owed()
    assert scene.reckon().unknown > 0
    fenced = scene.nursery.said("fenced")
    scene.mail.order(do="go")
    until(lambda: scene.nursery.said("fenced") == fenced + len(stages), "each sender to see that it is fenced")
    scene.wait_until_nothing_is_owed()
    scene.reckon().assert_exact(0)  # late replies are recorded too, so nothing stays in doubt
