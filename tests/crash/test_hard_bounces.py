"""Senders are killed amid letters to addresses that are gone: a letter failed and its address is suppressed, or
neither is; and the digest that stopped goes on."""

from click.testing import CliRunner
from sqlalchemy import select

from db.deliveries.deliveries import Delivery
from db.persons import subscriber_id
from db.session import reading
from db.subscribers.subscribers import Subscriber
from db.subscribers.suppressions import Suppression
from tests.crash.processes import until
from tests.crash.scene import WINDOW, Scene
from web.cli import main

AT = {"suppressing": 1, "settling": 2, "settled": 3, "reply": 25, "stopping": 1}
"""The stages at which a sender is killed, and at which visit to each."""
OF_THE_DATABASE = {"suppressing": 1, "stopping": 1}
"""Amid a transaction; on PostgreSQL a settlement is one statement."""


def failed_and_suppressed() -> tuple[set[int | None], set[int | None], set[bool]]:
    """Whose letter failed, whose address is suppressed (both read in one snapshot), and whether that is suspected."""
    with reading(snapshot=True) as session:
        failed = session.scalars(select(Delivery.person).where(Delivery.state == "failed")).all()
        rows = session.scalars(select(Suppression)).all()
    return (
        {subscriber_id(each) for each in failed},
        {each.subscriber_id for each in rows},
        {bool(each.suspected_at) for each in rows},
    )


def test_a_sender_killed_amid_hard_bounces_leaves_none_half_done(scene: Scene):
    scene.mail.order(do="refuse", unknown="7@reader.example")
    scene.readers(500)
    scene.freeze()
    scene.address()
    stages = OF_THE_DATABASE if scene.on_postgresql else AT
    for stage in scene.senders_killed_at(stages):
        failed, suppressed, _ = failed_and_suppressed()
        assert failed == suppressed, stage
    assert scene.digest().state == "sending", "the one that was to pause it was killed before"
    scene.fork("send")
    until(lambda: scene.digest().state == "paused", "the digest's stop")
    failed, suppressed, suspected = failed_and_suppressed()
    assert failed == suppressed
    assert suspected == {True}, "those of the killed senders too"
    resumed = CliRunner().invoke(main, ["digest", "resume", scene.slot, "--reason", "an old list"])
    assert resumed.exit_code == 0, resumed.output
    scene.wait_until_nothing_is_owed()
    reckoning = scene.reckon()
    assert not reckoning.doubled
    assert reckoning.unknown <= WINDOW * len(stages)
    failed, suppressed, _ = failed_and_suppressed()
    assert failed == suppressed
    with reading() as session:
        gone = set(session.scalars(select(Subscriber.id).where(Subscriber.address.like("%7@reader.example"))))
        taken = {to for to, _ in scene.mail.letters()}
    assert failed <= gone
    assert len(failed) + len(taken) + reckoning.unknown >= 500
    assert not any(to.endswith("7@reader.example") for to in taken)
