"""The audit log: who did what, when, to what, and why."""

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Response, abort, make_response, render_template, request, url_for

from db.operators import audit as audit_log
from db.operators.audit import AuditEntry, AuditFilter
from db.session import reading
from db.settings import settings
from web.operator.frame.access import allowed, blueprint
from web.operator.frame.paging import paged

ON_A_PAGE = 50
FILTERS = ("actor", "action", "about", "since", "until")


@blueprint.get("/audit")
@allowed("operator")
def audit() -> Response:
    before = request.args.get("before", type=int)
    with reading() as session:
        rows = audit_log.listed(session, _wanted(), ON_A_PAGE + 1, before)
        actions, actors = audit_log.actions(session), audit_log.actors(session)
    rooms_of = sorted({each.partition(".")[0] + "." for each in actions if "." in each})
    kept: dict[str, Any] = {name: request.args[name] for name in FILTERS if request.args.get(name)}
    entries, paging = paged(
        rows, ON_A_PAGE, before, lambda entry: entry.id, lambda at: url_for("operator.audit", **kept, before=at)
    )
    page = render_template(
        "operator/audit.html", entries=entries, actions=actions, actors=actors, rooms=rooms_of,
        page=paging,
    )  # fmt: skip
    return make_response(page)


@blueprint.get("/audit/<int:number>")
@allowed("operator")
def audit_entry(number: int) -> str:
    with reading() as session:
        found = audit_log.get(session, number) or abort(404, "There is no entry of that number.")
    return render_template("operator/audit_entry.html", here="operator.audit", one=found)


def _wanted() -> AuditFilter:
    given = request.args
    return AuditFilter(
        actor=given.get("actor", "").strip() or None,
        action=given.get("action", "").strip() or None,
        about=given.get("about", "").strip() or None,
        since=_midnight(given.get("since", "")),
        until=_midnight(given.get("until", ""), timedelta(days=1)),
    )


def _midnight(day: str, later: timedelta = timedelta()) -> datetime | None:
    """The start of that day in the newsletter's zone; None without a day, 400 for an invalid one."""
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day) + later, time(), settings().digest_timezone).astimezone(UTC)
    except (ValueError, OverflowError):
        abort(400, "Write days as 2026-11-17.")


@blueprint.app_template_global()
def changes(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """What an action changed, by name: before and after, with an empty text for nothing."""
    before, after = entry.before or {}, entry.after or {}
    return [
        (name, _told(before.get(name)), _told(after.get(name)))
        for name in dict.fromkeys((*before, *after))
        if name not in before or name not in after or before[name] != after[name]
    ]


@blueprint.app_template_global()
def pairs(values: dict[str, Any] | None) -> list[tuple[str, str]]:
    """A filter's parts as words."""
    return [(name, _told(value)) for name, value in (values or {}).items() if value not in (None, "", [])]


def _told(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
