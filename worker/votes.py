"""Fold the votes: bring the tallies up to what readers said last."""

from datetime import UTC, datetime

from db import tallies, votes
from db.session import reading, writing


def fold() -> None:
    """Fold until nothing is dirty; a page of votes is a transaction."""
    while True:
        with reading() as session:
            if not votes.any_dirty(session):
                return
        with writing(durable=False) as session:
            if not tallies.fold(session, datetime.now(UTC)):
                return  # what is dirty is in another folder's hands
