"""SEND_DAILY holds through kills at every stage and with several senders, and wastes no more than their windows."""

from datetime import UTC, datetime

from sqlalchemy import func, select

from db.deliveries.claiming.claims import Claim
from db.deliveries.limits import daily_limit
from db.session import reading
from tests.crash.processes import until
from tests.crash.scene import WINDOW, Scene
from tests.crash.test_sending import at_stages

DAILY, FREE = 200, 10
"""A digest leaves 5 % of the limit free for confirm letters."""


def used_up() -> bool:
    with reading() as session:
        used = daily_limit.used(session, datetime.now(UTC))
        return not used.room(DAILY, single=False) and not session.scalar(select(func.count()).select_from(Claim))


def test_senders_killed_at_each_stage_hand_over_no_letter_too_many(scene: Scene):
    scene.environment["SEND_DAILY"] = str(DAILY)
    scene.readers(300)
    scene.freeze()
    scene.address()
    stages = at_stages(scene)
    for _ in scene.senders_killed_at(stages):
        pass
    for _ in range(3):
        scene.fork("send")
    until(used_up, "the day's last letter")
    assert DAILY - FREE - WINDOW * len(stages) <= len(scene.mail.letters()) <= DAILY - FREE
    assert not scene.mail.doubled()
