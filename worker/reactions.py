"""Who reacts to what. A reaction writes rows and does nothing else: the table is at the foot."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from db.deliveries import deliveries
from db.jobs.events import ComparisonPublished, Event, SubscriptionConfirmed, SubscriptionRequested
from db.persons import person_of
from worker import digests

Reaction = Callable[[Session, Event, datetime], None]


def ask_for_confirmation(session: Session, event: Event, now: datetime) -> None:
    """Owe the confirm letter for a sign-up."""
    assert isinstance(event, SubscriptionRequested)
    deliveries.owe(session, "confirm", event.sign_up, person_of(event.subscriber), now)


def welcome(session: Session, event: Event, now: datetime) -> None:
    """Owe the welcome letter that follows a confirmation."""
    assert isinstance(event, SubscriptionConfirmed)
    deliveries.owe(session, "welcome", event.sign_up, person_of(event.subscriber), now)


def refresh_drafts(session: Session, event: Event, now: datetime) -> None:
    """Show the new comparison in the draft that waits for it."""
    assert isinstance(event, ComparisonPublished)
    digests.refresh_drafts(session, now)


REACTIONS: dict[type[Event], tuple[Reaction, ...]] = {
    SubscriptionRequested: (ask_for_confirmation,),
    SubscriptionConfirmed: (welcome,),
    ComparisonPublished: (refresh_drafts,),
}
