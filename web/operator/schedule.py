"""The schedule page: due times, recent digests, and the clock's other tasks."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import render_template

from db.digests import digests, schedule
from db.digests.digests import Digest
from db.digests.schedule import Schedule
from db.session import reading
from db.settings import settings
from web.operator.frame.access import allowed, blueprint
from worker.schedule import ENTRIES

NEXT, LAST = 5, 10


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """One future slot; `digest` once its draft exists, `local` in the newsletter's zone with its offset."""

    slot: str
    due: datetime
    local: str
    digest: Digest | None


@blueprint.get("/schedule", endpoint="schedule")
@allowed("viewer")
def schedule_() -> str:
    now = datetime.now(UTC)
    with reading() as session:
        began = session.get(Schedule, "digest")
        listed = digests.page(session, None, NEXT + LAST + 5)
    by_slot = {each.slot: each for each in listed}
    return render_template(
        "operator/schedule.html", page_title="Schedule", rule=schedule.of_digests(), lead=settings().digest_lead,
        lateness=settings().digest_lateness, began=began, runs=to_come(now, by_slot), entries=ENTRIES,
        last=[each for each in listed if each.due_at <= now or each.frozen_at][:LAST],
    )  # fmt: skip


def to_come(now: datetime, known: dict[str, Digest]) -> list[ScheduledRun]:
    """The next due slots, with their digests if they exist."""
    rule = schedule.of_digests()
    slots = rule.slots(now, now + timedelta(weeks=NEXT + 1))[:NEXT]
    return [ScheduledRun(slot, rule.due(slot), _local(rule.due(slot)), known.get(slot)) for slot in slots]


def _local(moment: datetime) -> str:
    """Tue 17 Nov 2026 09:00 CET (UTC+01:00): a DST change shows in the offset."""
    there = moment.astimezone(settings().digest_timezone)
    offset = there.strftime("%z")
    return f"{there:%a} {there.day} {there:%b %Y %H:%M} {there.tzname()} (UTC{offset[:3]}:{offset[3:]})"
