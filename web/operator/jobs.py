"""Failed jobs: by group, singly, and each with all its attempts."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from flask import Response, make_response, render_template, request, url_for

from db import moments
from db.jobs import filters, groups
from db.jobs import jobs as jobs_ledger
from db.jobs.events import Event
from db.jobs.filters import VIEWS, GroupKey, JobFilter
from db.jobs.jobs import Attempt, Job
from db.monitoring.pauses import QUEUES
from db.session import reading
from db.values import duration
from web.operator.frame.access import allowed, blueprint, may
from web.operator.frame.masking import visible_text
from web.operator.frame.paging import Paging, paged
from web.operator.job_filter_form import AGO, filter_of, in_link

ON_A_PAGE = 50
IN_A_GROUP = 20
MOST = 10_000
"""Counting of succeeded jobs stops here, as there may be millions."""
NAMES = {
    "dead": "failed for good", "waiting": "waiting for another attempt", "failing": "failed, or waiting after it",
    "pending": "pending", "running": "running", "succeeded": "succeeded", "discarded": "discarded",
    "all": "in any state",
}  # fmt: skip
ACTIONS = {"dead": ("retry", "discard"), "failing": ("retry", "discard"), "waiting": ("retry", "discard"),
          "pending": ("discard",), "discarded": ("restore",)}  # fmt: skip
"""The bulk actions of each view."""


@dataclass(frozen=True, slots=True)
class ExpandedGroup:
    """One group on the page, with its jobs if it is expanded, and its links."""

    group: groups.Group
    jobs: list[Job]
    toggle: str
    rest: str


@blueprint.get("/jobs")
@allowed("viewer")
def jobs() -> Response:
    chosen = filter_of(request.args)
    if chosen.state == "dead" and not chosen.groups and "list" not in request.args:
        return _grouped(chosen)
    return _listed(chosen)


def _grouped(chosen: JobFilter) -> Response:
    at = max(0, request.args.get("from", 0, type=int))
    opened = set(request.args.getlist("open"))
    with reading() as session:
        found = groups.groups(session, chosen, ON_A_PAGE, at)
        kinds = _kinds(filters.kinds(session))
        shown = [
            ExpandedGroup(
                each,
                groups.of_group(session, chosen, each.key, IN_A_GROUP) if str(each.key) in opened else [],
                _toggle(chosen, opened, each.key, at),
                url_for("operator.jobs", **in_link(replace(chosen, groups=(each.key,)))),
            )
            for each in found.shown
        ]
    link, following = in_link(chosen), {"from": at + ON_A_PAGE}
    older = url_for("operator.jobs", **(link | following)) if at + ON_A_PAGE < found.groups else None
    page = Paging(url_for("operator.jobs", **link) if at else None, older)
    return _page("operator/job_groups.html", chosen, kinds=kinds, found=found, shown=shown, page=page, total=found.jobs)


def _toggle(chosen: JobFilter, opened: set[str], key: GroupKey, at: int) -> str:
    rest: dict[str, Any] = {"open": sorted(opened ^ {str(key)})} | ({"from": at} if at else {})
    return url_for("operator.jobs", **(in_link(chosen) | rest), _anchor=f"g-{key.fingerprint}")


def _listed(chosen: JobFilter) -> Response:
    before = request.args.get("before", type=int)
    with reading() as session:
        rows = filters.page(session, chosen, ON_A_PAGE + 1, before)
        total = filters.count(session, chosen.conditions(), MOST + 1)
        kinds = _kinds(filters.kinds(session))
    link = in_link(chosen) | ({"list": "yes"} if chosen.state == "dead" else {})
    shown, page = paged(
        rows, ON_A_PAGE, before, lambda job: job.id, lambda at: url_for("operator.jobs", **(link | {"before": at}))
    )
    return _page("operator/job_list.html", chosen, kinds=kinds, found=shown, page=page, total=total)


def _kinds(failed: list[str]) -> list[str]:
    return sorted({*failed, *Event.kinds})


def _page(template: str, chosen: JobFilter, **parts: Any) -> Response:
    bulk_actions = ACTIONS.get(chosen.state, ()) if may("operator") else ()
    return make_response(
        render_template(
            template, here="operator.jobs", chosen=chosen, views=VIEWS, names=NAMES, queues=QUEUES, ago=AGO,
            since=request.args.get("since", ""), actions=bulk_actions, most=MOST, now=moments.now(), **parts,
        )
    )  # fmt: skip


# ---- one job -------------------------------------------------------------------------------------------------


@blueprint.get("/jobs/<int:job_id>")
@allowed("viewer")
def job(job_id: int) -> str:
    with reading() as session:
        found = jobs_ledger.get(session, job_id)
        attempts = list(found.attempts)
        copy, parts = filters.copies(session, found)
    return render_template(
        "operator/job.html", here="operator.jobs", job=found, attempts=attempts[::-1], copy=copy, split=parts,
        editable=found.kind in Event.kinds,
    )  # fmt: skip


@blueprint.app_template_global()
def payload_of(job: Job) -> str:
    """The job's payload, formatted for people."""
    return visible_text(json.dumps(job.payload, indent=2, ensure_ascii=False, sort_keys=True))


@blueprint.app_template_global()
def length_of(attempt: Attempt) -> str:
    """How long an attempt took, such as 0.42 s or 3 min; below ten seconds with decimals, since most are that short."""
    if attempt.ended_at is None:
        return ""
    length = attempt.ended_at - attempt.started_at
    return f"{length.total_seconds():.2f} s" if length < timedelta(seconds=10) else duration(length)
