"""The schedule page: due times, recent digests, and the clock's other tasks."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import render_template

from db import moments
from db.digests import digests, rule_history
from db.digests.digests import Digest
from db.digests.schedule import Schedule, Weekly
from db.session import reading
from db.settings import settings
from web.operator.frame.access import allowed, blueprint
from worker.people import retention
from worker.processes import clock_rules
from worker.processes.schedule import ENTRIES

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
    now = moments.now()
    with reading() as session:
        began = session.get(Schedule, "digest")
        rule = rule_history.standing(session)
        warnings = clock_rules.disagreement(session, now) + clock_rules.differences(session, now)
        kept = retention.report(session, now)
        listed = digests.page(session, None, NEXT + LAST + 5)
        coming = rule_history.to_come(session, now, now + timedelta(weeks=NEXT + 2))[:NEXT]
    known = {each.slot: each for each in listed}
    runs = [ScheduledRun(each.slot, each.due, _local(each.due, rule), known.get(each.slot)) for each in coming]
    return render_template(
        "operator/schedule.html", page_title="Schedule", rule=rule, warnings=warnings, lead=settings().digest_lead,
        lateness=settings().digest_lateness, began=began, runs=runs, entries=ENTRIES, kept=kept, most=retention.MOST,
        last=[each for each in listed if each.due_at <= now or each.frozen_at][:LAST],
    )  # fmt: skip


def _local(moment: datetime, rule: Weekly) -> str:
    """Tue 17 Nov 2026 09:00 CET (UTC+01:00): a DST change shows in the offset, which is left out of UTC itself."""
    there = moment.astimezone(rule.zone)
    digits = there.strftime("%z")
    offset = "" if there.tzname() == "UTC" else f" (UTC{digits[:3]}:{digits[3:]})"
    return f"{there:%a} {there.day} {there:%b %Y %H:%M} {there.tzname()}{offset}"
