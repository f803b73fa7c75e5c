"""Reactions to events. A reaction only writes rows; the table at the foot says which event runs which."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from db.deliveries import deliveries
from db.jobs.events import (
    ComparisonPublished,
    DigestCancelled,
    DigestFinished,
    DigestFrozen,
    ErasureWritten,
    Event,
    FeedbackReceived,
    FiguresChanged,
    PersonsErased,
    SubscriptionConfirmed,
    SubscriptionEnded,
    SubscriptionRequested,
    TracesMasked,
)
from db.persons import person_of
from worker.digests import drafts
from worker.feedback import handling, soft_failures
from worker.people import erasure
from worker.people.erasure import Following
from worker.webhooks.webhook_events import tell_webhooks

Reaction = Callable[[Session, Event, datetime], None]


def ask_for_confirmation(session: Session, event: Event, now: datetime) -> None:
    """Queue the confirmation email for a sign-up."""
    assert isinstance(event, SubscriptionRequested)
    deliveries.owe(session, "confirm", event.sign_up, person_of(event.subscriber), now)


def welcome(session: Session, event: Event, now: datetime) -> None:
    """Queue the welcome email after a confirmation."""
    assert isinstance(event, SubscriptionConfirmed)
    deliveries.owe(session, "welcome", event.sign_up, person_of(event.subscriber), now)


def refresh_drafts(session: Session, event: Event, now: datetime) -> None:
    """Gather the open drafts' content again, so that they show the new comparison."""
    assert isinstance(event, ComparisonPublished)
    drafts.refresh_drafts(session, now)


LONG_WORK: dict[type[Event], Callable[[Event], list[Following]]] = {
    DigestFinished: soft_failures.count_soft_failures,
    PersonsErased: erasure.mask_traces,
    TracesMasked: erasure.rebuild_file,
    ErasureWritten: erasure.empty_log,
    FeedbackReceived: handling.handle,
}
"""What is done with no transaction open, before an event's reactions: it may take seconds, and be done twice."""

REACTIONS: dict[type[Event], tuple[Reaction, ...]] = {
    SubscriptionRequested: (ask_for_confirmation,),
    SubscriptionConfirmed: (welcome, tell_webhooks),
    SubscriptionEnded: (tell_webhooks,),
    ComparisonPublished: (refresh_drafts, tell_webhooks),
    DigestFrozen: (tell_webhooks,),
    DigestFinished: (tell_webhooks,),
    DigestCancelled: (tell_webhooks,),
    FiguresChanged: (tell_webhooks,),
}
