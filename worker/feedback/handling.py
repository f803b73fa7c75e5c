"""Handles what came back: reads a raw event, finds whose letter it is about, and does what follows, once.

1. The event is read with no transaction open, which takes milliseconds, and of a hostile mail up to half a second.
2. One transaction marks it as handled and writes what follows. A worker that dies before leaves it to the next.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from db import moments
from db.digests import digests
from db.feedback import consequences, events, matching, stop_judgements
from db.feedback.consequences import Heard
from db.feedback.events import Received
from db.feedback.matching import Match
from db.jobs.events import Event, FeedbackReceived
from db.masking import masked_in
from db.session import Session, reading, writing
from db.settings import settings
from db.subscribers import subscriptions
from emails.bounces import Finding, forms
from worker.feedback import proof, refusals
from worker.people.erasure import Following

_TRUSTED = ("ses", "postmark", "generic")
"""Sources whose sender is proven, so that an address alone says whose letter is meant."""
JUST_ENDED = timedelta(minutes=1)
"""How long after its end a digest is judged again: its last letters may have been sent since the last look."""

log = structlog.get_logger("feedback")


def handle(event: Event) -> list[Following]:
    """Handle one event. Handling it again changes nothing."""
    assert isinstance(event, FeedbackReceived)
    with reading() as session:
        received = events.waiting(session, event.event)
    if received is None:
        return []
    findings, now = forms.read(received.source, received.raw), moments.now()
    with writing() as session:
        if events.begin_handling(session, received.id, now):
            for each in findings:
                _hear(session, received, each, now)
    log.info("handled", raw_event=received.id, source=received.source, kinds=_kinds(findings))
    return []


def judge_again() -> None:
    """Ask the stop rules whether what came back stops a digest now that more of its letters were sent.

    Bounces may come before the hundredth letter was sent, and none after it.
    """
    now = moments.now()
    with reading() as session:
        going = digests.going(session, now - JUST_ENDED)
        tripped = [each.slot for each in going if stop_judgements.trips_by_now(session, each, refusals.is_content)]
    for slot in tripped:
        with writing() as session:
            consequences.judge_again(session, digests.get(session, slot, lock=True), now, refusals.is_content)


def _kinds(findings: Sequence[Finding]) -> str:
    return ", ".join(sorted({each.kind for each in findings}))


def _hear(session: Session, received: Received, finding: Finding, now: datetime) -> None:
    trusted = received.source in _TRUSTED
    if finding.kind == "unsubscribe":
        _unsubscribe(session, received, finding, now)
    elif match := _match(session, finding, trusted=trusted):
        if match.person:
            events.belongs_to(session, received.id, match.person)
        if match.is_erased:
            events.empty(session, received.id)
        elif finding.kind in ("hard", "soft", "content", "complaint"):
            consequences.apply(session, _heard(received, finding, match), now, refusals.is_content)


def _match(session: Session, finding: Finding, *, trusted: bool) -> Match | None:
    if proven := proof.of(settings().keys, finding):
        return matching.by_delivery(session, proven.delivery, proven.subscriber)
    return matching.by_address(session, finding.recipient) if trusted and finding.recipient else None


def _heard(received: Received, finding: Finding, match: Match) -> Heard:
    assert finding.kind in ("hard", "soft", "content", "complaint")
    return Heard(
        kind=finding.kind, event=received.id, delivery=match.delivery.id if match.delivery else None,
        person=match.person, address=match.address, code=finding.code, status=finding.status,
        diagnostic=masked_in(finding.diagnostic), whose=finding.whose, feedback=finding.feedback,
    )  # fmt: skip


def _unsubscribe(session: Session, received: Received, finding: Finding, now: datetime) -> None:
    """The one-click's action, by mail with the token as proof, or told by a provider with a link of its own."""
    signed = proof.leaving(settings().keys, finding)
    if signed is not None:
        match = matching.by_delivery(session, signed.delivery, signed.subject)
        subscriber, channel = signed.subject, "mail"
    elif received.source in _TRUSTED and finding.recipient:
        match = matching.by_address(session, finding.recipient)
        subscriber, channel = matching.subscriber_of(match), "relay"
    else:
        return
    if match.person:
        events.belongs_to(session, received.id, match.person)
    if match.is_erased:
        events.empty(session, received.id)
    if subscriber:
        subscriptions.leave(session, subscriber, channel, now)
