"""Writes a delivery's message again, as it was sent last, and tells whether it is the same to the byte.

A digest's bodies are kept from its freeze, and a test letter's in its row. The other letters are composed again: their
bytes are the same until their templates, the settings in them or, in a welcome, the schedule change. The fingerprint in
the delivery's row tells.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from db.deliveries.claiming import recipients
from db.deliveries.claiming.admission import ClaimedLetter
from db.deliveries.deliveries import Delivery
from db.deliveries.fingerprints import Fingerprint, Likeness
from db.persons import subscriber_id
from db.rules import Refused
from db.subscribers import subscriptions
from worker.letters import composing

TOLD: dict[Likeness | None, str] = {
    "same": "These are the bytes of the last attempt.",
    "other keys": (
        "This is what the last attempt said, but its tokens, Message-ID or signature differ: SECRET_KEY, the DKIM keys"
        " or another setting of DKIM have changed since."
    ),
    "other": (
        "This is not what was sent: since the last attempt the address, the settings, the templates or what the letter"
        " is about have changed."
    ),
    None: (
        "Whether these are the bytes that were sent cannot be told: no fingerprint of them was kept, since the sender "
        "ended before it knew the reply, or a release before 0.6.0 sent them."
    ),
}


class Again(NamedTuple):
    """A message written again, and how it is like the one that was sent; None if that cannot be told."""

    message: bytes
    likeness: Likeness | None


def again(session: Session, number: int) -> Again:
    """The message of that delivery's last attempt. Raises Refused if there was none, or it cannot be written again."""
    row = session.get(Delivery, number)
    if row is None:
        raise Refused(f"There is no delivery {number}.")
    sent = _fingerprint(row)
    date = sent.date if sent else row.claimed_at or row.settled_at
    if date is None or not (sent or row.tries or row.state in ("sending", "unknown")):
        raise Refused(f"No attempt at delivery {number} was made yet: it is {row.state}.")
    claimed = _claimed(session, row, date)
    try:
        composer = composing.composer(session, row.letter, row.about)
    except NoResultFound:
        raise Refused(f"Delivery {number} cannot be written again: what its letter was about is gone.") from None
    is_old = composer.is_old or row.claimed_at is None
    found = []
    for key in composer.keys:  # an older key may have signed it, and can sign it again as long as SECRET_KEY names it
        outgoing = replace(composer, keys=(key,), is_old=is_old).write(claimed)
        likeness = sent.likeness(Fingerprint.read(outgoing.fingerprint)) if sent else None
        found.append(Again(outgoing.message, likeness))
    return next((each for each in found if each.likeness == "same"), found[0])


def _fingerprint(row: Delivery) -> Fingerprint | None:
    """The fingerprint of the last attempt, if it was kept: of a letter in doubt it may be that of an earlier one."""
    if row.fingerprint is None:
        return None
    kept = Fingerprint.read(row.fingerprint)
    in_doubt = row.state == "unknown" and row.claimed_at and kept.date != row.claimed_at.replace(microsecond=0)
    return None if in_doubt else kept


def _claimed(session: Session, row: Delivery, date: datetime) -> ClaimedLetter:
    """The delivery as its claim gave it, with the address as it is now."""
    address, since = recipients.recipient(session, row.id)
    if not address:
        raise Refused(f"Delivery {row.id} cannot be written again: nobody has its address any more.")
    second = timedelta(seconds=1)  # what a fingerprint keeps of the claim's moment
    reader = subscriber_id(row.person)
    if reader and since and since >= date + second:  # they left since then, and came again
        since = subscriptions.consented_at(session, reader, date + second) or since
    return ClaimedLetter(
        row.id, row.letter, row.about, row.person, address, row.tries, row.created_at, since, (),
        row.created_at, date, row.own_votes or "",
    )  # fmt: skip
