"""The digest schedule: a weekday and an hour in a time zone, and the ISO week that names each slot."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.register import Plain
from db.rules import Refused
from db.session import Moment, Row
from db.settings import settings


class Schedule(Row):
    """When a schedule was first in use; digests due before that are not sent."""

    __tablename__ = "schedules"

    name: Mapped[Plain] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Weekly:
    """A weekly rule, such as TUE 09:00 in Europe/Berlin."""

    weekday: int
    at: time
    zone: ZoneInfo

    def due(self, slot: str) -> datetime:
        """The moment (UTC) at which the slot is due. If the clocks skip the hour, it comes as much later;
        if the hour comes twice, the first one counts."""
        year, week = read_slot(slot)
        day = date.fromisocalendar(year, week, self.weekday + 1)
        wall = datetime.combine(day, self.at, self.zone)
        # datetime gives a wall time inside a DST gap the offset from before the gap: 02:30 becomes 03:30 (PEP 495).
        return wall.astimezone(UTC)

    def slot_of(self, moment: datetime) -> str:
        """The ISO week (ISO 8601) in which `moment` lies in the newsletter's zone."""
        return _week(moment.astimezone(self.zone).date())

    def strikes(self, zone: str, frozen_at: datetime) -> datetime:
        """The first moment (UTC) at or after the freeze that is this rule's hour in a reader's zone.

        The freeze comes a little after the hour at which it is due. So where a reader's hour struck less than an hour
        before the freeze, the letter is due at once and not a day later. An unknown zone name stands for the
        newsletter's zone.
        """
        try:
            where = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            where = self.zone
        today = frozen_at.astimezone(where).date()
        days = (today + timedelta(days=each) for each in (-1, 0, 1, 2))
        struck = (datetime.combine(day, self.at, where).astimezone(UTC) for day in days)
        return max(frozen_at, next(each for each in struck if each > frozen_at - timedelta(hours=1)))

    @property
    def in_words(self) -> str:
        """The rule as people read it, such as: Every Tuesday at 09:00 (Europe/Berlin)."""
        return f"Every {calendar.day_name[self.weekday]} at {self.at:%H:%M} ({self.zone.key})"

    def slots(self, after: datetime, until: datetime) -> list[str]:
        """Slots due in (after, until], oldest first."""
        rows = []
        day = after.astimezone(self.zone).date() - timedelta(days=7)
        while (due := self.due(slot := _week(day))) <= until:
            if due > after:
                rows.append(slot)
            day += timedelta(days=7)
        return rows


def of_digests() -> Weekly:
    """The digests' rule from the settings."""
    config = settings()
    return Weekly(config.digest_schedule.weekday, config.digest_schedule.at, config.digest_timezone)


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def read_slot(slot: str) -> tuple[int, int]:
    """(ISO year, ISO week) of a slot such as 2026-W47. Raises Refused for anything else."""
    found = re.fullmatch(r"([0-9]{4})-W([0-9]{2})", slot)  # \d has other scripts' digits: one week, two digests
    if found:
        try:
            date.fromisocalendar(int(found[1]), int(found[2]), 1)
        except ValueError:
            found = None
    if not found:
        raise Refused(f"{slot!r} is no slot; write an ISO week, such as 2026-W47.")
    return int(found[1]), int(found[2])


def weeks_between(slot: str, other: str) -> int:
    """How many weeks the other slot comes after this one; negative if before."""
    first, second = (date.fromisocalendar(*read_slot(each), 1) for each in (slot, other))
    return (second - first).days // 7


def started(session: Session, name: str, now: datetime) -> datetime:
    """When the schedule of that name was first in use; the first call stores `now`."""
    session.execute(
        text("INSERT INTO schedules (name, started_at) VALUES (:name, :now) ON CONFLICT (name) DO NOTHING").bindparams(
            bindparam("now", type_=Moment())
        ),
        {"name": name, "now": now},
    )
    return session.get_one(Schedule, name).started_at
