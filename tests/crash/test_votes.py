"""Voters and folders are killed while votes are counted: each vote counts once."""

import random
import time

from db.session import reading
from db.votes import tallies, votes
from tests.crash.processes import until
from tests.crash.readers import proof
from tests.crash.scene import Scene


def test_votes_are_counted_once_whoever_is_killed(scene: Scene, catalogue):
    chance = random.Random(7)
    running = [scene.fork(role) for role in ("vote", "vote", "fold", "fold")]
    for turn in range(4):
        time.sleep(chance.uniform(0.02, 0.15))
        victim, role = running.pop(0), ("vote", "vote", "fold", "fold")[turn % 4]
        victim.kill()
        running.append(scene.fork(role))
        assert proof().faults == ()
        folder = scene.fork("fold", "folded")  # counted, not committed
        folder.wait_for_stage()
        folder.kill()
        assert proof().faults == ()
    for voter in running[-4:]:
        voter.kill()
    scene.fork("fold")
    until(lambda: not proof().dirty, "the last vote's count")
    assert proof().faults == ()
    with reading() as session:
        figures = tallies.figures(session, range(1, 4))
    assert sum(each.ship + each.skip for each in figures.values()) == cast()


def cast() -> int:
    """The number of votes for ship or skip, counted from the table of votes and not from the tallies."""
    with reading() as session:
        return session.query(votes.Vote).filter(votes.Vote.choice.is_not(None)).count()
