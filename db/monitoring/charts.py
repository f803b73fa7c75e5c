"""The charts' data: subscribers, letters, votes and failures over the weeks, each read from an index."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.deliveries import accounts
from db.digests.digests import Digest
from db.jobs.jobs import FAILED, Attempt
from db.subscribers.subscribers import Consent
from db.votes.tallies import Day


class Period(NamedTuple):
    """One week or UTC day, beginning at `start`; each chart defines its `ups` and `downs`."""

    start: date
    ups: int
    downs: int


class DigestCounts(NamedTuple):
    """A digest's letters by state."""

    slot: str
    states: dict[str, int]


def subscribers(session: Session, now: datetime, weeks: int = 26) -> list[Period]:
    """Subscribers who joined (confirmed or imported) and left by ISO week, oldest first; from the proof of consent."""
    monday = now.astimezone(UTC).date() - timedelta(days=now.astimezone(UTC).weekday())
    rows = []
    for start in (monday - timedelta(weeks=ago) for ago in reversed(range(weeks))):
        begins = _midnight(start)
        query = select(Consent.what, func.count()).where(Consent.at >= begins, Consent.at < begins + timedelta(days=7))
        said = dict(session.execute(query.group_by(Consent.what)).all())
        rows.append(Period(start, said.get("given", 0) + said.get("imported", 0), said.get("withdrawn", 0)))
    return rows


def votes(session: Session, now: datetime, days: int = 30) -> list[Period]:
    """The tallies' change per day: ship as ups, skip as downs; negative where votes were withdrawn."""
    today = now.astimezone(UTC).date()
    since = today - timedelta(days=days - 1)
    query = select(Day.day, func.sum(Day.ship), func.sum(Day.skip)).where(Day.day >= since).group_by(Day.day)
    found = {day: (int(ship), int(skip)) for day, ship, skip in session.execute(query)}
    return [Period(day, *found.get(day, (0, 0))) for day in _days(since, days)]


def failures(session: Session, now: datetime, days: int = 30) -> list[Period]:
    """Failed and lost attempts at jobs per day, as ups."""
    since = now.astimezone(UTC).date() - timedelta(days=days - 1)
    rows = []
    for day in _days(since, days):
        begins = _midnight(day)
        count = select(func.count()).select_from(Attempt).where(
            FAILED, Attempt.ended_at >= begins, Attempt.ended_at < begins + timedelta(days=1)
        )  # fmt: skip
        rows.append(Period(day, session.scalar(count) or 0, 0))
    return rows


def digest_counts(session: Session, limit: int = 12) -> list[DigestCounts]:
    """The letters by state of the latest digests that were or are being sent, oldest first."""
    gone = select(Digest).where(Digest.state.in_(("sending", "paused", "finished", "cancelled")))
    latest = session.scalars(gone.order_by(Digest.due_at.desc()).limit(limit)).all()
    return [DigestCounts(digest.slot, _states(session, digest)) for digest in reversed(latest) if digest.audience]


def _states(session: Session, digest: Digest) -> dict[str, int]:
    return digest.outcomes or accounts.progress(session, digest).states


def _days(since: date, days: int) -> list[date]:
    return [since + timedelta(days=each) for each in range(days)]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
