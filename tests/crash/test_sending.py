"""Senders are killed and stopped at each stage: everybody gets the letter, and nobody gets it twice."""

import random
import time
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, update

from db.deliveries.deliveries import Delivery
from db.session import writing
from tests.crash.processes import Child, until
from tests.crash.scene import SHORT_LEASE, WINDOW, Scene
from web.cli import main

AT = {"claiming": 1, "claimed": 1, "mail": 3, "body": 12, "dot": 9, "reply": 16, "settled": 2, "releasing": 1}
"""The stages of sending, and at which visit to each the sender is stopped, in its first window or in a later one."""


IN_TRANSACTION = ("claiming", "releasing")
"""A sender stopped at these stages holds the write lock and blocks all others, so none could take over its letters."""
OF_THE_DATABASE = (*IN_TRANSACTION, "reply", "settled")
"""Amid a transaction, before a settlement and after it: the kind of database matters to these alone."""


def at_stages(scene: Scene) -> dict[str, int]:
    """All stages on SQLite; on PostgreSQL those at which the kind of database matters."""
    return {stage: AT[stage] for stage in OF_THE_DATABASE} if scene.on_postgresql else AT


def test_a_sender_killed_at_each_stage_leaves_no_more_in_doubt_than_its_window(scene: Scene):
    stages = at_stages(scene)
    scene.readers(50 * len(stages))
    scene.freeze()
    scene.address()
    for _ in scene.senders_killed_at(stages):
        pass
    scene.fork("send")
    scene.wait_until_nothing_is_owed()
    scene.reckon().assert_exact(WINDOW * len(stages))
    resolve(scene, "--sent")
    finished(scene)


def test_a_sender_stopped_past_its_lease_at_each_stage_sends_nothing_that_another_one_sends(scene: Scene):
    stages = {stage: passing for stage, passing in at_stages(scene).items() if stage not in IN_TRANSACTION}
    scene.readers(60 * len(stages))
    scene.freeze()
    scene.address()
    asleep = [held_at(scene, stage, passing) for stage, passing in stages.items()]
    fenced = scene.nursery.said("fenced")
    time.sleep(SHORT_LEASE)
    scene.fork("send")
    scene.wait_until_nothing_is_owed()
    assert len(asleep) < scene.reckon().unknown <= WINDOW * len(asleep)
    for sender in asleep:
        sender.wake()
    until(lambda: scene.nursery.said("fenced") == fenced + len(asleep), "each sleeper to see that it is fenced")
    # Once awake, they record what they sent and give back the letters that they had not begun: nothing stays in doubt.
    scene.wait_until_nothing_is_owed()
    until(lambda: scene.digest().state == "finished", "the digest's end")
    scene.reckon().assert_exact(0)


@pytest.mark.once
def test_a_sender_that_slept_while_its_doubt_was_resolved_sends_nothing_more(scene: Scene):
    scene.readers(60)
    scene.freeze()
    scene.address()
    one_is_owed_later()  # so that resolving cannot finish the digest: a finished one would stop the sender anyway
    sender = held_at(scene, "reply", 3)
    time.sleep(SHORT_LEASE)
    scene.fork("send")
    until(lambda: scene.owed() == 1, "all other letters")
    resolve(scene, "--sent")
    fenced = scene.nursery.said("fenced")
    sender.wake()
    until(lambda: scene.nursery.said("fenced") > fenced, "the sleeper to see that it is fenced")
    # After it woke, the sender itself still sent the rest of its window, and then it stopped: no letter went out twice.
    assert not scene.mail.doubled()


def one_is_owed_later() -> None:
    with writing() as session:
        last = select(func.max(Delivery.id)).scalar_subquery()
        later = datetime.now(UTC) + timedelta(hours=1)
        session.execute(update(Delivery).where(Delivery.id == last).values(state="deferred", not_before=later))


def held_at(scene: Scene, stage: str, passing: int) -> Child:
    """A sender stopped at that stage with SIGSTOP; wake() continues it."""
    sender = scene.fork("send", stage, passing, SEND_LEASE=str(SHORT_LEASE))
    sender.wait_for_stage()
    sender.stop()
    sender.go_on()
    return sender


def test_senders_killed_at_random_moments(scene: Scene):
    chance = random.Random(11)
    scene.readers(300)
    scene.freeze()
    scene.address()
    senders = [scene.fork("send") for _ in range(2)]
    for _ in range(10):
        time.sleep(chance.uniform(0.01, 0.2))
        senders.pop(0).kill()
        senders.append(scene.fork("send"))
    scene.wait_until_nothing_is_owed()
    scene.reckon().assert_exact(WINDOW * 10)
    sent_before = dict(scene.mail.letters())
    resolve(scene, "--resend")
    finished(scene)
    sent_again = [(to, named) for to, named in scene.mail.letters() if to in sent_before]
    assert all(sent_before[to] == named for to, named in sent_again), "a letter sent again keeps its Message-ID"
    assert not scene.reckon().lost


def test_a_sender_killed_before_it_finishes_the_digest_leaves_that_to_the_next(scene: Scene):
    scene.readers(20)
    scene.freeze()
    scene.address()
    sender = scene.fork("send", "finish")
    sender.wait_for_stage()
    sender.kill()
    worker = scene.fork("tick", "finishing")
    worker.wait_for_stage()
    worker.kill()
    assert scene.digest().state == "sending"
    scene.fork("tick")
    until(lambda: scene.digest().state == "finished", "the digest's end")
    scene.reckon().assert_exact(0)


def test_a_worker_killed_while_it_addresses_leaves_nobody_out(scene: Scene):
    scene.readers(400)
    scene.freeze()
    for stage, passing in (("addressed", 2), ("addressing", 1), ("addressing", 3), ("addressed", 3)):
        worker = scene.fork("tick", stage, passing)
        worker.wait_for_stage()
        worker.kill()
    for role in ("tick", "tick", "send", "send"):
        scene.fork(role)
    until(lambda: scene.digest().state == "finished", "the digest's end")
    scene.reckon().assert_exact(0)


def resolve(scene: Scene, choice: str) -> None:
    """Resolve the digest's unknown letters, as an operator would by command."""
    done = CliRunner().invoke(main, ["deliveries", "resolve", scene.slot, choice])
    assert done.exit_code == 0, done.output


def finished(scene: Scene) -> None:
    """Assert that the digest finishes once no letter is unknown, and that everybody's letter is sent."""
    until(lambda: scene.digest().state == "finished", "the digest's end")
    assert scene.account().states["sent"] == scene.account().audience
