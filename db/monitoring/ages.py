"""The age of the oldest waiting work in each ledger, read from an index."""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.orm import Session

from db import rules
from db.deliveries.deliveries import FIRST_WAITING, WAITING
from db.deliveries.limits import daily_limit
from db.digests.digests import IN_ORDER, OF_DIGEST, Digest
from db.jobs.jobs import OUTSIDE, REACTION, Job, first_due
from db.session import Moment
from db.settings import settings
from db.votes.votes import DIRTY, Vote

LOOKED_AT = 1000
"""The most rows read: of a million letters that wait for a local hour, the first thousand are enough."""


def of_votes(session: Session, now: datetime) -> timedelta | None:
    """How long the oldest dirty vote has waited; None without one."""
    first = select(Vote.cast_at).where(DIRTY).order_by(Vote.id).limit(LOOKED_AT).subquery()
    return _since(session.scalar(select(func.min(first.c.cast_at, type_=Moment()))), now)


def of_jobs(session: Session, now: datetime) -> timedelta | None:
    """How long the oldest due job of an event has waited unclaimed; None without one."""
    return _since(session.scalar(first_due(Job.run_after, REACTION, now)), now)


def of_outside(session: Session, now: datetime) -> timedelta | None:
    """How long the oldest due outside job has waited unclaimed; None without one."""
    return _since(session.scalar(first_due(Job.run_after, OUTSIDE, now)), now)


def of_deliveries(session: Session, now: datetime) -> timedelta | None:
    """How long a letter has waited although it is its turn; None if none has.

    A digest's letters go one after the other, so a letter's turn begins when those before it are settled: a digest
    that takes three hours is not late as long as it progresses, and one that is paused has nothing due. While
    SEND_DAILY is reached it is nobody's turn.
    """
    sending = session.execute(select(Digest.id, Digest.resumed_at).where(Digest.state == "sending")).all()
    digests = [_of_digest(session, id_, resumed, now) for id_, resumed in sending]
    waits = [_in_turn(session, of_single_letters(session, now), now, single=True)]
    waits += [_in_turn(session, wait, now, single=False) for wait in digests]
    return max((wait for wait in waits if wait is not None), default=None)


def _in_turn(session: Session, wait: timedelta | None, now: datetime, *, single: bool) -> timedelta | None:
    """The part of a wait since SEND_DAILY allowed letters; None while it does not."""
    daily = settings().send_daily
    if wait is None or not daily:
        return wait
    if daily_limit.open_at(session, daily, now, single=single) is not None:
        return None
    shut = daily_limit.shut_until(session, daily, now, single=single)
    return min(wait, now - shut) if shut else wait


def of_single_letters(session: Session, now: datetime) -> timedelta | None:
    """How long a letter that is no digest's has been due, whatever it waits for; None if none is."""
    letters = [letter for letter in rules.LETTERS if letter != "digest"]
    asked = [session.scalar(_SINGLE, {"letter": letter, "now": now, "limit": LOOKED_AT}) for letter in letters]
    return _since(min((each for each in asked if each), default=None), now)


def _of_digest(session: Session, digest_id: int, resumed_at: datetime | None, now: datetime) -> timedelta | None:
    given = {"digest": digest_id, "now": now, "limit": LOOKED_AT}
    first = session.execute(_FIRST, given).first()
    if first is None:
        return None
    moved = session.scalar(_MOVED, {"digest": digest_id, "first": first.id})
    return _since(max(filter(None, (first.not_before, moved, resumed_at))), now)


def last_settled(session: Session) -> datetime | None:
    """Approximately when a letter was last settled: among the newest letters, and at each digest's position."""
    sending = session.scalars(select(Digest.id).where(Digest.state == "sending")).all()
    moved = [session.scalar(_LAST_SETTLED)]
    for digest_id in sending:
        first = session.scalar(FIRST_WAITING, {"digest": digest_id})
        moved.append(session.scalar(_MOVED, {"digest": digest_id, "first": first}) if first else None)
    return max((each for each in moved if each), default=None)


def _since(moment: datetime | None, now: datetime) -> timedelta | None:
    return None if moment is None else max(now - moment, timedelta())


_SINGLE = text(
    "SELECT min(not_before) AS oldest FROM (SELECT not_before FROM deliveries"
    f" WHERE letter = :letter AND {WAITING.text} LIMIT :limit) AS first WHERE not_before <= :now"
).bindparams(bindparam("now", type_=Moment())).columns(oldest=Moment())  # fmt: skip
_OF_DIGEST = f"{OF_DIGEST.format(digest=':digest')} AND {WAITING.text}{IN_ORDER}"
_FIRST = text(
    f"SELECT id, not_before FROM (SELECT id, not_before FROM deliveries WHERE {_OF_DIGEST} LIMIT :limit) AS first"
    " WHERE not_before <= :now ORDER BY id LIMIT 1"
).bindparams(bindparam("now", type_=Moment())).columns(not_before=Moment())  # fmt: skip
# `|| ''` and `+ 0` keep SQLite off the unique index: through that it would read all of a digest's million rows instead
# of these thousand ids.
_MOVED = text(
    "SELECT max(settled_at) AS moved FROM deliveries"
    " WHERE id BETWEEN :first - 1000 AND :first - 1 AND letter || '' = 'digest' AND about + 0 = :digest"
).columns(moved=Moment())
_LAST_SETTLED = text(
    "SELECT max(settled_at) AS moved FROM (SELECT settled_at FROM deliveries ORDER BY id DESC LIMIT 200) AS newest"
).columns(moved=Moment())
