"""Stops: a row for each stop rule that tripped while a digest was sent. It stops the whole digest, or its domain's
letters are held; it ends when a person decides, and says why."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal, NamedTuple

from sqlalchemy import ForeignKey, Index, Text, bindparam, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.deliveries.deliveries import EXCEPTION, WAITING, Delivery
from db.digests.digests import Digest
from db.driver import DriverConnection
from db.masking import masked_in
from db.operators import audit
from db.operators.audit import Actor
from db.register import FreeText, Name, Plain
from db.rules import Refused
from db.session import NEVER_REUSED, BigId, Key, Moment, Row, ring
from db.subscribers import suspected

Rule = Literal["hard", "content", "complaint"]
REASON = "its domain is held"
"""The reason of letters that wait because their domain is held."""
ASKED_AGAIN = timedelta(hours=1)
"""After which time such letters are looked at again; releasing the domain wakes them at once."""
_OF_DIGEST = text("ended_at is null and domain is null")
_OF_DOMAIN = text("ended_at is null and domain is not null")


class Stop(Row):
    """One stop: `refused` of the last `letters` at that moment. Without a domain the whole digest is paused; with one
    all letters to it are held, single ones included."""

    __tablename__ = "stops"
    __table_args__ = (
        Index("ix_stops_of_digest", "digest_id", unique=True, sqlite_where=_OF_DIGEST, postgresql_where=_OF_DIGEST),
        Index("ix_stops_of_domain", "domain", unique=True, sqlite_where=_OF_DOMAIN, postgresql_where=_OF_DOMAIN),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    digest_id: Mapped[int] = mapped_column(BigId, ForeignKey("digests.id"))
    rule: Mapped[Plain]
    domain: Mapped[Name | None]
    at: Mapped[datetime]
    letters: Mapped[int]
    refused: Mapped[int]
    ended_at: Mapped[datetime | None]
    reason: Mapped[FreeText | None] = mapped_column(Text)


class Trip(NamedTuple):
    """What a sender saw when a rule tripped."""

    rule: Rule
    domain: str | None
    refused: int
    letters: int

    @property
    def told(self) -> str:
        return in_words(self.rule, self.domain, self.refused, self.letters)


def in_words(rule: str, domain: str | None, refused: int, letters: int) -> str:
    """12 of the last 160 letters were refused as addresses that do not exist. Complaints are of all that was sent."""
    if rule == "complaint":
        return f"{refused} readers of {letters:,} call it spam"
    where = f" to {domain}" if domain else ""
    why = "as addresses that do not exist" if rule == "hard" else "for what they say or how they say it"
    return f"{refused} of the last {letters} letters{where} were refused {why}"


class Stopped(NamedTuple):
    """What was stopped: the digest's slot, and how many of its suppressions are suspected now."""

    slot: str
    suspected: int


class Standing(NamedTuple):
    """What a claim tells its sender: which domains are held, and what people have let pass for this digest before."""

    held: frozenset[str] = frozenset()
    seen: Mapping[str, float] = MappingProxyType({})
    """The highest share with which somebody let the digest go on, by rule."""
    released: Mapping[str, int] = MappingProxyType({})
    """How often each domain was released for this digest."""
    ended: int = 0
    """How many stops of this digest have ended: with each the count starts anew."""


NOTHING_STANDS = Standing()


# ---- questions ---------------------------------------------------------------------------------------------


def standing(driver: DriverConnection, digest_id: int | None) -> Standing:
    """What stands against a digest's letters, or (None) the single ones, in one query: the table is short."""
    rows = driver.fetch(_STANDING, (digest_id or 0,))
    if not rows:
        return NOTHING_STANDS
    held = frozenset(domain for domain, _, _, over in rows if domain and not over)
    ended = [row for row in rows if row[3]]
    seen: dict[str, float] = {}
    for domain, rule, share, _ in ended:
        if not domain:
            seen[rule] = max(share, seen.get(rule, 0.0))
    return Standing(held, seen, Counter(domain for domain, _, _, _ in ended if domain), len(ended))


_STANDING = (
    "SELECT domain, rule, CAST(refused AS float) / letters, ended_at IS NOT NULL FROM stops"
    " WHERE ended_at IS NULL OR digest_id = ?"
)


def of_digest(session: Session, digest_id: int, *, lock: bool = False) -> Stop | None:
    """The stop because of which a digest is paused."""
    query = select(Stop).where(Stop.digest_id == digest_id, _OF_DIGEST)
    return session.scalars(query.with_for_update() if lock else query).one_or_none()


def standing_stops(session: Session) -> list[tuple[Stop, Digest]]:
    """Every stop that waits for a person, with its digest, the oldest first."""
    query = select(Stop, Digest).join(Digest, Digest.id == Stop.digest_id).where(Stop.ended_at.is_(None))
    return [(stop, digest) for stop, digest in session.execute(query.order_by(Stop.id))]


def slot_of(session: Session, digest_id: int) -> str:
    """The digest's slot."""
    return session.scalars(select(Digest.slot).where(Digest.id == digest_id)).one()


# ---- changes -----------------------------------------------------------------------------------------------


def trip(session: Session, digest_id: int, tripped: Trip, now: datetime) -> int | None:
    """Pause the digest, or hold the domain, and make this digest's hard suppressions of that kind suspected. Returns
    how many; None if another sender stopped it before, or if it has ended and there was nothing to suspect.

    The digest's row is locked first, as in hard_bounces.py: no suppression slips in between the two statements.
    """
    digest = session.get_one(Digest, digest_id, with_for_update=True, populate_existing=True)
    row = {"digest": digest_id, "now": now} | tripped._asdict()
    over = tripped.domain is None and digest.state not in ("sending", "paused")  # there is nothing left to stop
    if not over and session.scalar(_TRIP, row) is None:
        return None
    if tripped.domain is None and digest.state == "sending":
        digest.state, digest.reason = "paused", f"stopped: {tripped.told}"
        ring(session, "digests")
    count = suspected.suspect(session, digest_id, tripped.domain, now) if tripped.rule == "hard" else 0
    return None if over and not count else count


_TRIP = text(
    "INSERT INTO stops (digest_id, rule, domain, at, letters, refused)"
    " VALUES (:digest, :rule, :domain, :now, :letters, :refused) ON CONFLICT DO NOTHING RETURNING id"
).bindparams(bindparam("now", type_=Moment()))


def stop(session: Session, actor: Actor, digest_id: int, tripped: Trip, now: datetime) -> Stopped | None:
    """The same, and the entry of it in the audit log. None if nothing was left to stop or to suspect."""
    suspected_now = trip(session, digest_id, tripped, now)
    if suspected_now is None:
        return None
    slot = slot_of(session, digest_id)
    about = f"domain {tripped.domain}" if tripped.domain else f"digest {slot}"
    action = "domain.hold" if tripped.domain else "digest.stop"
    audit.record(session, actor, action, now, about=about, count=suspected_now, note=tripped.told,
                 after={"digest": slot, "suspected suppressions": suspected_now})  # fmt: skip
    return Stopped(slot, suspected_now)


def go_on(session: Session, digest: Digest, reason: str | None, now: datetime) -> None:
    """End the stop of a digest that is resumed. Raises Refused if it was stopped and nobody says why it goes on."""
    found = of_digest(session, digest.id, lock=True)
    if found is None:
        return
    if not (reason or "").strip():
        raise Refused(needs_reason(digest, found))
    found.ended_at, found.reason = now, reason


def narrow(session: Session, actor: Actor, digest: Digest, domain: str, now: datetime) -> None:
    """Let a digest go on whose hard bounces were one domain's fault, which is held in its place.

    The stop is deleted, not ended: nobody has let anything pass. What is suspected stays so until a person decides.
    """
    session.delete(of_digest(session, digest.id, lock=True))
    digest.state, digest.reason = "sending", None
    audit.record(session, actor, "digest.resume", now, about=f"digest {digest.slot}", after={"state": digest.state},
                 note=f"only the letters to {domain} are held now: without them, no rule stops the digest")  # fmt: skip
    ring(session, "mail")


def needs_reason(digest: Digest, stop: Stop) -> str:
    """Why somebody has to say a reason before this digest goes on, and how."""
    return (
        f"Digest {digest.slot} stopped itself: {in_words(stop.rule, None, stop.refused, stop.letters)}. "
        f"Find out why first. To go on all the same: verdicts digest resume {digest.slot} --reason WHY"
    )


def give_up(session: Session, digest_id: int, reason: str | None, now: datetime) -> None:
    """End the stop of a digest that is cancelled."""
    query = update(Stop).where(Stop.digest_id == digest_id, _OF_DIGEST)
    session.execute(query.values(ended_at=now, reason=reason or "cancelled"))


def release(session: Session, domain: str, reason: str, now: datetime) -> Stop:
    """Release a held domain; `free` then wakes its letters. The count of its digest starts anew. Raises Refused if the
    domain is not held, or without a reason."""
    query = select(Stop).where(Stop.domain == domain.strip().lower(), _OF_DOMAIN).with_for_update()
    found = session.scalars(query).one_or_none()
    if found is None:
        raise Refused(f"No letters to {domain} are held. `verdicts deliveries held` names the domains that are.")
    if not reason.strip():
        raise Refused("Give a reason; it is saved in the audit log.")
    found.ended_at, found.reason = now, masked_in(reason.strip())
    restarted = update(Digest).where(Digest.id == found.digest_id, Digest.state.in_(("sending", "paused")))
    session.execute(restarted.values(resumed_at=now))
    return found


def free(session: Session, now: datetime, limit: int) -> int:
    """Wake the next page of letters that wait for a domain, as young as new ones. Returns how many.

    Those of a domain that is still held are held again at their claim.
    """
    going = select(Digest.id).where(Digest.state.in_(("sending", "paused")))
    of_digests = Delivery.letter == "digest", Delivery.about.in_(going), EXCEPTION
    woken = 0
    for among in (of_digests, (Delivery.letter != "digest", WAITING)):
        page = select(Delivery.id).where(*among, Delivery.state == "deferred", Delivery.reason == REASON)
        query = update(Delivery).where(Delivery.id.in_(page.limit(limit)), Delivery.state == "deferred")
        done = session.execute(
            query.values(state="pending", reason=None, not_before=now, settled_at=None),
            execution_options={"synchronize_session": False},
        )
        woken += done.rowcount  # type: ignore[attr-defined]
    ring(session, "mail")
    return woken
