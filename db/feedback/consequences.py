"""What a bounce or a complaint changes: its row, the suppression of its address, and a stop of its digest.

1. The digest's row is locked, so that no rule trips elsewhere before our transaction ends.
2. What came back is stored, once for each letter and kind; what is told again ends here.
3. The address is suppressed as db.rules says. While its domain is held or its digest stopped, that is suspected.
4. The stop rules are asked about the digest, and what has tripped is carried out. A provider's bad hour may have
   stopped the whole digest before it was known for one: once its domain is held, the digest goes on.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from db import rules
from db.addresses import hashes_of
from db.deliveries.claiming import hard_bounces, recipients
from db.deliveries.deliveries import Delivery
from db.deliveries.limits import stops
from db.deliveries.limits.stops import Trip
from db.digests.digests import Digest
from db.driver import driver_connection_of
from db.feedback import feedback, stop_judgements
from db.feedback.letters_around import IsContent
from db.operators.audit import Actor
from db.subscribers import suppressions

READER = Actor("worker")
"""Who stops a digest because of what came back, in the audit log."""
_JUDGED = ("hard", "content", "complaint")
_LOOKED_AT = 20
"""How many of a person's last letters are looked at for soft bounces in a row."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A bounce or a complaint that is proven to be about a letter of ours, or that a provider reports of an address.

    `event` is its raw event; None if the mail server itself refused the letter. `address` is the reader's, or that of
    somebody who was never one; `diagnostic` is masked. `whose` says who is to blame for a bounce, `feedback` is the
    type of a complaint (RFC 5965).
    """

    kind: Literal["hard", "soft", "content", "complaint"]
    event: int | None
    delivery: int | None
    person: str | None
    address: str | None
    code: int | None = None
    status: str | None = None
    diagnostic: str = ""
    whose: str | None = None
    feedback: str | None = None


def apply(session: Session, heard: Heard, now: datetime, is_content: IsContent) -> None:
    """Do what follows from it. Hearing the same again changes nothing.

    `is_content` says of a letter that failed whether the mail server refused it for its content.
    """
    if heard.kind == "complaint" and heard.feedback not in (None, "", *rules.COMPLAINTS):
        return
    kind = rules.returned(heard.kind, heard.status)
    delivery = session.get(Delivery, heard.delivery) if heard.delivery is not None else None
    if delivery is None:
        if heard.address and kind in ("hard", "complaint"):
            _suppress(session, heard, kind, heard.address, None, now)
        return
    digest = _locked_digest(session, delivery)
    address = heard.address or recipients.recipient(session, delivery.id)[0]
    if not _stored(session, heard, kind, delivery, address, now):
        return
    if address:
        _suppress(session, heard, kind, address, digest.id if digest else None, now)
        if kind in ("soft", "suspended"):
            _judge_soft(session, heard, delivery, address, now)
    if digest and kind in _JUDGED:
        for tripped in stop_judgements.trips(session, digest, kind, delivery, address, is_content):
            _carry_out(session, digest, tripped, now)
            if tripped.domain:
                _narrow(session, digest, tripped.domain, now, is_content)


def judge_again(session: Session, digest: Digest, now: datetime, is_content: IsContent) -> None:
    """Ask the stop rules whether what came back earlier stops the digest now that more of its letters were sent."""
    for tripped in stop_judgements.trips_by_now(session, digest, is_content):
        _carry_out(session, digest, tripped, now)


def _narrow(session: Session, digest: Digest, domain: str, now: datetime, is_content: IsContent) -> None:
    """Let the digest go on if it was stopped for hard bounces and would not be without those of the held domains."""
    stop = stops.of_digest(session, digest.id)
    stopped = stop is not None and stop.rule == "hard" and digest.state == "paused"
    if stopped and not stop_judgements.would_stop(session, digest, is_content):
        stops.narrow(session, READER, digest, domain, now)


def _carry_out(session: Session, digest: Digest, tripped: Trip, now: datetime) -> None:
    """Stop the digest or hold the domain. A digest that has ended is only suspected, bounce by bounce, so that is not
    audited: the suppressions tell it, and an alert asks for a decision."""
    if tripped.domain or digest.state in ("sending", "paused"):
        stops.stop(session, READER, digest.id, tripped, now)
    else:
        stops.trip(session, digest.id, tripped, now)


def _locked_digest(session: Session, delivery: Delivery) -> Digest | None:
    if delivery.letter != "digest":
        return None
    query = select(Digest).where(Digest.id == delivery.about).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def _stored(
    session: Session, heard: Heard, kind: rules.Returned, delivery: Delivery, address: str | None, now: datetime
) -> bool:
    words = heard.feedback if kind == "complaint" else heard.diagnostic
    return feedback.add(
        session, delivery_id=delivery.id, digest_id=delivery.about if delivery.letter == "digest" else None,
        person=delivery.person, kind=kind, code=heard.code, status=heard.status,
        words=hard_bounces.without(address, words or "") or None if address else None,
        sent_at=delivery.settled_at or delivery.claimed_at or delivery.created_at, at=now, raw_event=heard.event,
    )  # fmt: skip


def _suppress(
    session: Session, heard: Heard, kind: rules.Returned, address: str, digest_id: int | None, now: datetime
) -> None:
    if kind == "hard":
        with driver_connection_of(session) as driver:
            hard_bounces.suppress_one(driver, address, hashes_of(address), digest_id, heard.diagnostic, now)
    elif kind == "complaint":
        suppressions.suppress(session, address, "complaint", now, heard.feedback or None)


# ---- soft bounces in a row -----------------------------------------------------------------------------------


def _judge_soft(session: Session, heard: Heard, delivery: Delivery, address: str, now: datetime) -> None:
    reason = rules.soft_bounces_suppress(soft_bounces_in_a_row(session, delivery.person), now)
    if reason is not None and suppressions.of_address(session, address) is None:
        suppressions.suppress(session, address, reason, now, hard_bounces.without(address, heard.diagnostic) or None)


def soft_bounces_in_a_row(session: Session, person: str) -> list[rules.SoftBounce]:
    """The letters that a mailbox did not take one after the other, up to the last of them, the newest first."""
    back = feedback.of_person(session, person)
    soft = {each.delivery_id: each for each in back if each.kind in ("soft", "suspended") and not each.forgiven_at}
    tell_nothing = {each.delivery_id for each in back if each.kind in ("hard", "content")}
    query = select(Delivery.id, Delivery.letter, Delivery.state).where(Delivery.person == person)
    found = list[rules.SoftBounce]()
    for number, letter, state in session.execute(query.order_by(Delivery.id.desc()).limit(_LOOKED_AT)):
        row = soft.get(number)
        if row is not None and (row.raw_event is not None or state == "failed"):
            found.append(rules.SoftBounce(row.sent_at, letter == "digest", row.kind == "suspended"))
        elif found and state == "sent" and number not in tell_nothing:
            break
    return found
