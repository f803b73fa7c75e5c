"""Fold the votes: bring the tallies up to what readers said last."""

from datetime import UTC, datetime

from db.monitoring import pauses
from db.session import reading, writing
from db.votes import tallies, votes
from worker import heartbeats


def fold() -> None:
    """Fold until nothing is dirty or votes are paused; a page of votes is a transaction."""
    while True:
        with reading() as session:
            if pauses.is_paused(session, "votes") or not votes.any_dirty(session):
                return
        with writing(durable=False) as session:
            folded = tallies.fold(session, datetime.now(UTC))
        if not folded:
            return  # what is dirty is in another folder's hands
        heartbeats.did(folded)
