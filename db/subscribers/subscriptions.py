"""Sign-up, confirmation by the emailed link, unsubscribing and erasure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.orm import Session

from db import limits, rules
from db.addresses import hashes_of, key_of, mailbox_of, normal
from db.jobs import jobs
from db.jobs.events import SubscriptionConfirmed, SubscriptionEnded, SubscriptionRequested
from db.masking import masked_of
from db.session import Moment
from db.settings import settings
from db.subscribers.audiences import last_freeze
from db.subscribers.subscribers import Consent, Subscriber
from db.subscribers.suppressions import Suppression, lift_hard_bounce, suppress


@dataclass(frozen=True, slots=True)
class SignUp:
    """The sign-up behind a confirmation link, with its current state."""

    id: int
    subscriber_id: int
    address: str
    asked_at: datetime
    state: Literal["open", "confirmed", "expired", "over"]


def request(
    session: Session, address: str, *, words: str, words_version: str, locale: str, form_url: str,
    ip: str | None, user_agent: str | None, now: datetime,
) -> None:  # fmt: skip
    """Sign an address up: store the proof of consent, and queue a confirmation email. Does not reveal earlier state.

    An active address is left as it is; one confirmation email per address in ten minutes, and SIGNUPS_PER_ADDRESS per
    mailbox in a day. Raises BadAddress.
    """
    address = normal(address)
    most, span = settings().signups_per_address, rules.ADDRESS_SPAN
    bucket = limits.lock(session, "mailbox", mailbox_of(address), span, now) if most else None
    if bucket and bucket.wait(most, span, now):
        return
    subscriber = _enter(session, address, now)
    if subscriber.state == "active" or _asked_since(session, subscriber.id, now - rules.SIGN_UP_PAUSE):
        return
    if bucket:  # what brings no letter takes no token: a stranger cannot use up somebody's limit in one second
        bucket.take(span, now)
    subscriber.state, subscriber.address = "pending", address
    whose = update(Suppression).where(Suppression.address_hash.in_(hashes_of(address)))
    session.execute(whose.values(subscriber_id=subscriber.id))
    asked = Consent(
        subscriber_id=subscriber.id, what="asked", at=now, address=address, words=words, words_version=words_version,
        locale=locale, source=form_url, ip=ip, user_agent=(user_agent or "")[:500],
    )  # fmt: skip
    session.add(asked)
    session.flush()
    jobs.record(session, SubscriptionRequested(sign_up=asked.id, subscriber=subscriber.id), now)


def _enter(session: Session, address: str, now: datetime) -> Subscriber:
    """The subscriber of this address, locked; a new one is pending."""
    found = select(Subscriber).where(Subscriber.address_key == key_of(address)).with_for_update()
    while True:
        session.execute(_ENTER, {"address": address, "key": key_of(address), "now": now})
        subscriber = session.scalars(found).one_or_none()
        if subscriber is not None:  # else it was there and is forgotten just now, as an old sign-up
            return subscriber


_ENTER = text(
    "INSERT INTO subscribers (address, address_key, state, created_at)"
    " VALUES (:address, :key, 'pending', :now) ON CONFLICT (address_key) DO NOTHING"
).bindparams(bindparam("now", type_=Moment()))


def _asked_since(session: Session, subscriber_id: int, moment: datetime) -> bool:
    query = select(Consent.id).where(Consent.subscriber_id == subscriber_id, Consent.what == "asked")
    return session.scalar(query.where(Consent.at > moment).limit(1)) is not None


def confirm(session: Session, sign_up: int, ip: str | None, now: datetime) -> Subscriber:
    """Activate the subscriber of a pending sign-up (idempotent). Raises Refused when the link no longer works."""
    found, frozen = session.get(Consent, sign_up), last_freeze(session)
    if found is None:
        raise rules.Refused(_NO_LONGER)
    subscriber = session.get(Subscriber, found.subscriber_id, with_for_update=True, populate_existing=True)
    if subscriber is None:  # forgotten just now
        raise rules.Refused(_NO_LONGER)
    asked = sign_up_of(
        session, sign_up, now
    )  # read after the lock, so that it sees an unsubscribe or erasure that held it
    if asked is None or asked.state in ("expired", "over"):
        raise rules.Refused(_NO_LONGER)
    if subscriber.state != "pending":
        return subscriber
    _activate(subscriber, frozen, now)
    lift_hard_bounce(session, asked.address)
    session.add(Consent(subscriber_id=subscriber.id, what="given", at=now, address=subscriber.address,
                        source="confirm link", ip=ip, sign_up=sign_up))  # fmt: skip
    jobs.record(session, SubscriptionConfirmed(sign_up=sign_up, subscriber=subscriber.id), now)
    return subscriber


_NO_LONGER = "This link no longer works. Subscribe again and we’ll send you a new one."


def _activate(subscriber: Subscriber, frozen: int, now: datetime) -> None:
    subscriber.state, subscriber.confirmed_at = "active", now
    # `joined` keeps its number for a person who left and came back between two freezes. With a new number they would
    # drop out of the last freeze's audience, which has already been counted with them.
    if subscriber.joined is None or subscriber.left is None or subscriber.left < frozen:
        subscriber.joined = frozen
    subscriber.left = None


def leave(session: Session, subscriber_id: int, channel: str, now: datetime) -> Subscriber | None:
    """Unsubscribe at once (idempotent). None for an unknown subscriber."""
    frozen = last_freeze(session)
    subscriber = session.get(Subscriber, subscriber_id, with_for_update=True, populate_existing=True)
    if subscriber is None or subscriber.state in ("unsubscribed", "erased"):
        return subscriber
    if subscriber.state == "active":
        subscriber.left = frozen
        jobs.record(session, SubscriptionEnded(subscriber=subscriber.id, channel=channel), now)
    subscriber.state = "unsubscribed"
    session.add(Consent(subscriber_id=subscriber.id, what="withdrawn", at=now, address=subscriber.address,
                        source=channel))  # fmt: skip
    return subscriber


def erase(session: Session, subscriber_id: int, now: datetime) -> Subscriber | None:
    """Erase a subscriber: only a keyed hash of the address remains, in the suppression list.

    The proof of consent keeps its times and loses all personal data. None for an unknown subscriber.
    """
    gone = leave(session, subscriber_id, "erasure", now)
    if gone is None or gone.address is None:
        return gone
    suppress(session, gone.address, "erased", now)
    whose = update(Suppression).where(Suppression.subscriber_id == subscriber_id)
    session.execute(
        whose.values(subscriber_id=None, note=None, digest_id=None, suspected_at=None)
    )  # a note may name the person
    for proof in session.scalars(select(Consent).where(Consent.subscriber_id == subscriber_id)):
        proof.address = proof.ip = proof.user_agent = None
        proof.source = masked_of(proof.source, gone.address)  # the form's URL is what the browser said it was
        proof.words = masked_of(proof.words, gone.address) if proof.words else None
    gone.state, gone.address, gone.address_key, gone.time_zone, gone.paused_until = "erased", None, None, None, None
    return gone


def confirmed_at(session: Session, sign_up: int) -> datetime | None:
    """When this sign-up was confirmed."""
    return session.scalar(select(Consent.at).where(Consent.sign_up == sign_up, Consent.what == "given"))


def consented_at(session: Session, subscriber_id: int, then: datetime) -> datetime | None:
    """When somebody had last given their consent, as it stood then."""
    spoke = Consent.subscriber_id == subscriber_id, Consent.what.in_(("given", "imported")), Consent.at < then
    return session.scalar(select(Consent.at).where(*spoke).order_by(Consent.at.desc()).limit(1))


def sign_up_of(session: Session, sign_up: int, now: datetime) -> SignUp | None:
    """The sign-up behind a confirmation link; None if there is none."""
    asked = session.get(Consent, sign_up, populate_existing=True)
    if asked is None or asked.what != "asked" or asked.address is None:
        return None
    later = select(Consent.what).where(Consent.subscriber_id == asked.subscriber_id, Consent.id > asked.id)
    since = list(session.scalars(later.order_by(Consent.id)))
    state: Literal["open", "confirmed", "expired", "over"] = "open"
    if "withdrawn" in since:
        state = "over"
    elif "given" in since:
        state = "confirmed"
    elif now >= asked.at + rules.SIGN_UP_LIFE:
        state = "expired"
    return SignUp(asked.id, asked.subscriber_id, asked.address, asked.at, state)
