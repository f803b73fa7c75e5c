"""A sender is stopped inside a transaction: others wait, and nothing is lost or doubled by it."""

import pytest

from tests.crash.processes import Child, until
from tests.crash.scene import WINDOW, Scene

IMPATIENT = {"CRASH_PATIENCE": "1", "SEND_RATE": "150"}
"""Seconds that a transaction waits for a lock here and that PostgreSQL lets one idle (15 each in the product)."""


def stopped_at(scene: Scene, stage: str) -> Child:
    sender = scene.fork("send", stage, **IMPATIENT)
    sender.wait_for_stage()
    sender.stop()
    sender.go_on()
    return sender


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_on_sqlite_others_wait_until_the_stopped_one_wakes_or_is_killed(scene: Scene):
    scene.readers(300)
    scene.freeze()
    scene.address()
    for stage, end in (("settling", "is killed"), ("claiming", "wakes")):
        asleep = stopped_at(scene, stage)
        locked = scene.nursery.said("database is locked")
        scene.fork("send", **IMPATIENT)
        until(lambda before=locked: scene.nursery.said("database is locked") > before, f"a wait in vain at {stage}")
        taken = len(scene.mail.letters())
        if end == "wakes":
            asleep.wake()
        else:
            asleep.kill()
        until(lambda before=taken: len(scene.mail.letters()) > before + 20, f"letters after {stage}")
    scene.wait_until_nothing_is_owed()
    scene.reckon().assert_exact(WINDOW * 2)  # of the killed sender, and of another that was blocked within a batch


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_on_postgresql_the_database_ends_the_session_of_the_stopped_one(scene: Scene):
    scene.readers(300)
    scene.freeze()
    scene.address()
    asleep = [stopped_at(scene, "claiming")]
    scene.fork("send", **IMPATIENT)
    until(lambda: len(scene.mail.letters()) > 20, "letters while it still sleeps")
    asleep.append(stopped_at(scene, "releasing"))
    scene.wait_until_nothing_is_owed()
    for sender in asleep:
        sender.wake()
    scene.wait_until_nothing_is_owed()
    scene.reckon().assert_exact(0)
