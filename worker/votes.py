"""Folds votes: brings the tallies up to readers' latest votes, and says which tools' figures changed."""

from datetime import datetime

from db import moments
from db.jobs import jobs
from db.jobs.events import FiguresChanged
from db.monitoring import pauses
from db.session import Session, reading, writing
from db.votes import figure_changes, tallies, votes
from db.webhooks import webhooks
from worker.processes import ending, heartbeats


def fold() -> None:
    """Fold until no vote is dirty or votes are paused; each page of votes is one transaction."""
    while not ending.asked():
        now = moments.now()
        with reading() as session:
            if pauses.is_paused(session, "votes"):
                return
            dirty = votes.any_dirty(session)
            if not dirty and not figure_changes.any_due(session, now):
                return
        with writing(durable=False) as session:
            folded = tallies.fold(session, now)
            record_changes(session, now)
        if not folded:
            return  # another worker is folding the dirty votes, or there were none
        heartbeats.did(folded)


def record_changes(session: Session, now: datetime) -> None:
    """Record the figures of the tools that changed, if a webhook hears that; those told within the last minute wait for
    its end."""
    tools = figure_changes.take(session, now)
    if not tools or not webhooks.hearing(session, "figures.changed"):
        return
    for tool, figures in tallies.figures(session, tools).items():
        jobs.record(session, FiguresChanged(tool, figures.ship, figures.skip, now.isoformat()), now)
