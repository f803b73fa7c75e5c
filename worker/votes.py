"""Folds votes: brings the tallies up to readers' latest votes."""

from db import moments
from db.monitoring import pauses
from db.session import reading, writing
from db.votes import tallies, votes
from worker import ending, heartbeats


def fold() -> None:
    """Fold until no vote is dirty or votes are paused; each page of votes is one transaction."""
    while not ending.asked():
        with reading() as session:
            if pauses.is_paused(session, "votes") or not votes.any_dirty(session):
                return
        with writing(durable=False) as session:
            folded = tallies.fold(session, moments.now())
        if not folded:
            return  # another worker is folding the dirty votes
        heartbeats.did(folded)
