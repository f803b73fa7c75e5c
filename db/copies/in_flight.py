"""What was on its way at the instant that a copy shows, and may have gone out since: it is held, never sent twice."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, bindparam, delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from db.deliveries import accounts
from db.deliveries.claiming.claims import Claim
from db.deliveries.deliveries import SENDING, WAITING, Delivery
from db.digests import digests
from db.digests.digests import Digest
from db.guard import Guard
from db.jobs.jobs import Attempt, Job

IN_FLIGHT = ("frozen", "sending", "paused")
GONE = (*IN_FLIGHT, "finished", "cancelled")
PAGE = 1_000
REASON = "restored: it may have gone out after the copy was made"
HELD = "This database is a copy, and the one before may have sent this digest. Release it to send it, or skip it."
OF_LETTERS = ("SubscriptionRequested", "SubscriptionConfirmed")
"""The events that cause letters."""
REACTIONS = ("ask_for_confirmation", "welcome")
"""Their reactions that do; others, such as telling webhooks, may run again."""

Outcome = dict[str, Any]
"""The columns of a letter that say what became of it."""
_OUTCOME = ("state", "reason", "not_before", "tries", "code", "reply", "settled_at")


# ---- queries -----------------------------------------------------------------------------------------------


def in_flight(session: Session) -> list[Digest]:
    """The digests whose letters were on their way."""
    return digests.listed(session, IN_FLIGHT)


def undecided(session: Session, digest: Digest) -> int:
    """How many letters of a digest may have gone out since."""
    found = accounts.progress(session, digest)
    return found.unaddressed + sum(found.states[state] for state in ("pending", "deferred", "sending"))


def drafts(session: Session) -> list[Digest]:
    """The drafts, held ones too."""
    return digests.listed(session, ("draft", "held"))


def count_single(session: Session, guard: Guard) -> int:
    """How many letters other than digests may have gone out since."""
    return session.scalar(select(func.count()).select_from(Delivery).where(*_single(guard))) or 0


def count_jobs(session: Session, guard: Guard) -> int:
    """How many jobs may have caused letters since."""
    return session.scalar(select(func.count()).select_from(Job).where(*_jobs(guard))) or 0


def of_digest(session: Session, digest_id: int, after: int) -> list[tuple[int, str]]:
    """The next page of a digest's letters that may have gone out since: their ids and persons."""
    query = select(Delivery.id, Delivery.person).where(Delivery.letter == "digest", Delivery.about == digest_id)
    query = query.where(Delivery.id > after, _open()).order_by(Delivery.id).limit(PAGE)
    return [(id_, person) for id_, person in session.execute(query)]


def single(session: Session, guard: Guard, after: int) -> list[int]:
    """The next page of other letters."""
    query = select(Delivery.id).where(*_single(guard), Delivery.id > after).order_by(Delivery.id).limit(PAGE)
    return list(session.scalars(query))


def jobs_of_letters(session: Session, guard: Guard, after: int) -> list[int]:
    """The next page of jobs that may have caused letters since."""
    query = select(Job.id).where(*_jobs(guard), Job.id > after).order_by(Job.id).limit(PAGE)
    return list(session.scalars(query))


def _open() -> ColumnElement[bool]:
    return Delivery.state.in_(("pending", "deferred", "sending"))


_OPEN = text("state IN ('pending', 'deferred', 'sending')")


def _single(guard: Guard) -> tuple[ColumnElement[bool], ...]:
    return Delivery.letter != "digest", Delivery.id <= guard.last_delivery, _open()


def _jobs(guard: Guard) -> tuple[ColumnElement[bool], ...]:
    causes = or_(Job.reaction.is_(None), Job.reaction.in_(REACTIONS))
    return Job.id <= guard.last_job, Job.state.in_(("pending", "running")), Job.kind.in_(OF_LETTERS), causes


# ---- what the old database knows -----------------------------------------------------------------------------


def outcomes_of_persons(session: Session, digest_id: int, persons: Sequence[str]) -> dict[str, Outcome]:
    """What became of a digest's letters to these persons."""
    query = select(Delivery).where(
        Delivery.letter == "digest", Delivery.about == digest_id, Delivery.person.in_(persons)
    )
    return {each.person: _outcome(each) for each in session.scalars(query)}


def outcomes_of_ids(session: Session, ids: Sequence[int]) -> dict[int, Outcome]:
    """What became of these letters."""
    return {each.id: _outcome(each) for each in session.scalars(select(Delivery).where(Delivery.id.in_(ids)))}


def undone_jobs(session: Session, ids: Sequence[int]) -> set[int]:
    """Which of these jobs have not been done and are not being done."""
    return set(session.scalars(select(Job.id).where(Job.id.in_(ids), Job.state.in_(("pending", "dead", "discarded")))))


def _outcome(each: Delivery) -> Outcome:
    return {name: getattr(each, name) for name in _OUTCOME}


# ---- changes: a page each --------------------------------------------------------------------------------------


def settle(session: Session, outcomes: dict[int, Outcome | None], doubt: str, now: datetime) -> int:
    """Write what became of these letters; what is not known, or was just being sent, gets the state of doubt. Returns
    how many did."""
    doubted = [id_ for id_, each in outcomes.items() if each is None or each["state"] == "sending"]
    held = update(Delivery).where(Delivery.id.in_(doubted), _open())
    settled = None if doubt == "unknown" else now
    session.execute(held.values(state=doubt, reason=REASON, claim=None, settled_at=settled), execution_options=_PLAIN)
    known = [
        {"row": id_} | {f"to_{name}": value for name, value in each.items()}
        for id_, each in outcomes.items()
        if each is not None and each["state"] != "sending"
    ]
    if known:
        session.connection().execute(_KNOWN, known)
    return len(doubted)


_LETTERS = cast("Table", Delivery.__table__)
_KNOWN = (
    update(_LETTERS)
    .where(_LETTERS.c.id == bindparam("row"), _OPEN)
    .values(claim=None, **{name: bindparam(f"to_{name}", type_=_LETTERS.c[name].type) for name in _OUTCOME})
)


_PLAIN = {"synchronize_session": False}


def discard(session: Session, ids: Sequence[int], now: datetime) -> None:
    """Discard jobs whose letters may have gone out, with their open attempts."""
    over = update(Attempt).where(Attempt.job_id.in_(ids), Attempt.ended_at.is_(None))
    session.execute(over.values(ended_at=now, outcome="lost", message=REASON), execution_options=_PLAIN)
    jobs = update(Job).where(Job.id.in_(ids))
    given = {"state": "discarded", "note": REASON, "finished_at": now, "lease": None}
    session.execute(jobs.values(**given), execution_options=_PLAIN)


def hold(digest: Digest) -> None:
    """Hold a draft until somebody decides."""
    if digest.state == "draft":
        digest.state, digest.reason = "held", HELD


def end_claims(session: Session) -> None:
    """Drop the claims of senders that worked with the old database: none of their letters is left as being sent."""
    left = select(Delivery.id).where(SENDING, Delivery.claim.is_not(None)).limit(1)
    assert session.scalar(left) is None
    session.execute(delete(Claim))


def cancel_alerts(session: Session, now: datetime) -> None:
    """Cancel the alerts that could not be mailed while the guard stood; the console has shown them."""
    waiting = update(Delivery).where(Delivery.letter == "alert", WAITING)
    session.execute(waiting.values(state="cancelled", reason=None, settled_at=now), execution_options=_PLAIN)
