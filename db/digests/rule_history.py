"""The history of the schedule's rule. The clock's tick alone writes it; everybody reads the newest rule here."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session

from db.digests import digests, schedule
from db.digests.digests import Digest
from db.digests.owed_slots import MOVED, History, OwedSlot, StandingRule, owed, rule_at
from db.digests.schedule import Schedule, Weekly
from db.register import Plain
from db.rules import Refused
from db.session import NEVER_REUSED, Key, Row

NAME = "digest"
OPEN = ("draft", "held")
LOOK_BACK = timedelta(days=60)
"""How far back slots count as missed; what is older than DIGEST_LATENESS is recorded as expired."""
AHEAD = timedelta(days=15)
HAS_GONE = f"{MOVED}, and this week has had its digest. Release this one to send it as well, or skip it."
FARTHEST = 53
"""How many weeks from now a slot may be that somebody names: a year, however its weeks are counted."""


class ScheduleRule(Row):
    """A rule of the schedule of that name, and since when it holds."""

    __tablename__ = "schedule_rules"
    __table_args__ = (NEVER_REUSED,)

    id: Mapped[Key]
    name: Mapped[Plain]
    weekday: Mapped[int]
    at: Mapped[time]
    zone: Mapped[Plain]
    holds_from: Mapped[datetime]


# ---- queries -----------------------------------------------------------------------------------------------


def history(session: Session) -> list[StandingRule]:
    """The rules so far, in the order in which they hold."""
    query = select(ScheduleRule).where(ScheduleRule.name == NAME).order_by(ScheduleRule.holds_from, ScheduleRule.id)
    return [StandingRule(_weekly(each), each.holds_from) for each in session.scalars(query)]


def standing(session: Session) -> Weekly:
    """The rule recorded last; the settings' own while no clock has rung yet."""
    return _newest(session) or schedule.of_digests()


def rule_then(session: Session, moment: datetime) -> Weekly:
    """The rule that stood, or will stand, at that moment."""
    known = history(session)
    return rule_at(known, moment) if known else schedule.of_digests()


def due(session: Session, slot: str) -> datetime:
    """When the slot is due under the rule recorded last."""
    return standing(session).due(slot)


def due_near(session: Session, slot: str, now: datetime) -> datetime:
    """When a slot that somebody names is due. Raises Refused for one more than FARTHEST away: it is a typing error."""
    weeks = schedule.weeks_between(standing(session).slot_of(now), slot)
    if abs(weeks) > FARTHEST:
        way = "ahead" if weeks > 0 else "back"
        raise Refused(f"{slot} lies {abs(weeks)} weeks {way}; a slot may be at most {FARTHEST} weeks from now.")
    return due(session, slot)


def owed_by(session: Session, until: datetime, now: datetime) -> list[OwedSlot]:
    """The slots owed until then, oldest first; none while no rule is recorded."""
    known = history(session)
    return owed(known, _since(session, known, now), until) if known else []


def to_come(session: Session, now: datetime, until: datetime) -> list[OwedSlot]:
    """The slots due in (now, until], those included that are held because the schedule moved."""
    known = history(session) or [StandingRule(schedule.of_digests(), now - LOOK_BACK)]
    return [each for each in owed(known, now, until) if each.due <= until]


def is_recorded(session: Session, rule: Weekly, now: datetime) -> bool:
    """Whether that rule stands now, so that there is nothing to record."""
    stood = [each.rule for each in history(session) if each.holds_from <= now]
    return stood[-1:] == [rule] == [_newest(session)]


def is_held_by_a_change(digest: Digest) -> bool:
    """Whether a change of the schedule holds the digest, and not an editor."""
    return digest.state == "held" and (digest.reason or "").startswith(MOVED)


def _weekly(each: ScheduleRule) -> Weekly:
    return Weekly(each.weekday, each.at, ZoneInfo(each.zone))


def _newest(session: Session) -> Weekly | None:
    """The rule written last: after a wrong date was set right, not always the one that holds from the latest moment."""
    query = select(ScheduleRule).where(ScheduleRule.name == NAME).order_by(ScheduleRule.id.desc()).limit(1)
    newest = session.scalars(query).first()
    return _weekly(newest) if newest else None


def _since(session: Session, known: History, now: datetime) -> datetime:
    """From when on slots may have been missed. A first use in the future was recorded under a wrong date."""
    began = session.get(Schedule, NAME)
    first = began.started_at if began and began.started_at <= now else known[0].holds_from
    return max(first, now - LOOK_BACK)


# ---- changes -----------------------------------------------------------------------------------------------


def record(session: Session, rule: Weekly, now: datetime) -> None:
    """Record that this rule holds from now on, unless it does already, and let the open drafts follow it.

    The first rule holds since the schedule was first in use. Ticks at the same time record a change once: they wait
    for each other at the schedule's row.
    """
    began = schedule.started(session, NAME, now)
    lock(session)
    if is_recorded(session, rule, now):
        return
    before = history(session)
    holds_from = now if before else min(began, now)
    session.add(ScheduleRule(name=NAME, weekday=rule.weekday, at=rule.at, zone=rule.zone.key, holds_from=holds_from))
    session.flush()
    if before:
        _follow(session, before, history(session), now)


def lock(session: Session) -> None:
    """Let no other tick record a rule until this transaction ends."""
    session.get(Schedule, NAME, with_for_update=True)


def _follow(session: Session, before: History, after: History, now: datetime) -> None:
    """Move the open drafts for which the change makes a difference; what was due already stays owed as it was."""
    slots = [each.slot for each in digests.listed(session, OPEN)]
    drafts = [each for slot in slots if (each := digests.get(session, slot, lock=True)).state in OPEN]
    until = max([now, *(each.due_at for each in drafts)]) + AHEAD
    since = _since(session, before, now)
    old, new = ({each.slot: each for each in owed(known, since, until)} for known in (before, after))
    for digest in drafts:
        if old.get(digest.slot) != new.get(digest.slot) and (digest.due_at > now or is_held_by_a_change(digest)):
            _move(digest, new.get(digest.slot))


def _move(digest: Digest, to: OwedSlot | None) -> None:
    held = to.held if to else HAS_GONE
    if to:
        digest.due_at = to.due
    if held and digest.state == "draft":
        digest.state, digest.reason = "held", held
    elif not held and is_held_by_a_change(digest):
        digest.state, digest.reason = "draft", None
