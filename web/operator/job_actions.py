"""Actions on failed jobs: on one directly, on many after a confirm page with a count, or an edited copy of one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flask import Response, make_response, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from db import moments
from db.jobs import filters, retries
from db.jobs import jobs as jobs_ledger
from db.jobs.filters import JobFilter
from db.jobs.jobs import Job
from db.jobs.retries import BadPayload
from db.rules import Refused
from db.session import reading
from db.values import duration
from web.actions import jobs as actions
from web.operator.frame import confirm
from web.operator.frame.access import actor, allowed, blueprint
from web.operator.job_filter_form import filter_of, in_link, of_form

DONE = {"retry": "owed again", "discard": "discarded", "restore": "restored"}

# ---- many ------------------------------------------------------------------------------------------------------


@blueprint.post("/jobs/<any(retry, discard, restore):action>")
@allowed("operator")
def order_many(action: str) -> AnyResponse:
    """Show a confirm page with the count; once confirmed, act on exactly the jobs that were counted."""
    now = moments.now()
    if not confirm.given():
        return _ask(action, of_form(request.form), now)
    chosen, shown = filter_of(request.form), request.form.get("shown", 0, type=int)
    why = confirm.note(required=action == "discard")
    if action == "retry":
        rate = request.form.get("rate", 0.0, type=float)
        met = actions.retry_matching(actor(), chosen, now, why, rate)
    elif action == "discard":
        met = actions.discard_matching(actor(), chosen, why or "", now)
    else:
        met = actions.restore_matching(actor(), chosen, now, why)
    said = f"{_jobs(met)} {'is' if met == 1 else 'are'} {DONE[action]}."
    if action == "retry" and met > rate:
        last = duration(timedelta(seconds=(met - 1) / rate))
        said += f" They are released {rate:g} a second, so the last one starts in {last}."
    if met != shown:
        said += f" You were shown {shown:,}; {_jobs(abs(shown - met))} changed meanwhile and were left alone."
    return confirm.done(said, _back(chosen))


def _ask(action: str, chosen: JobFilter, now: datetime) -> Response:
    asked = actions.preview(action, chosen, now)
    if not asked.jobs:
        raise Refused(f"No job that matches can be {'retried' if action == 'retry' else action + 'ed'} any more.")
    verb, what = action.capitalize(), _jobs(asked.jobs)
    fields = in_link(asked.chosen) | {"state": chosen.state, "shown": str(asked.jobs)}
    return confirm.ask(
        f"{verb} {what}?", f"{_SENTENCES[action]} {_which(chosen)}", f"{verb} {what}", fields,
        note="required" if action == "discard" else "optional", extra=_RATE if action == "retry" else "",
        risk=action == "discard", back=_back(chosen), here="operator.jobs",
    )  # fmt: skip


_SENTENCES = {
    "retry": "Each gets six more attempts; its earlier ones keep their tracebacks.",
    "discard": "They are given up, with the reason kept on each. Restore takes it back.",
    "restore": "They are dead again, and can be retried.",
}
_RATE = Markup(
    '<label class="field">Released, jobs a second <input type="number" name="rate" value="{:g}" min="{:g}" max="{:g}"'
    ' step="any" required></label>'
).format(actions.RATE, *actions.RATES)


def _which(chosen: JobFilter) -> str:
    """The selected jobs in words, limited to those that exist now."""
    told = {"kind": chosen.kind, "error": chosen.error, "text": chosen.text}
    parts = [f"{name} “{value}”" for name, value in told.items() if value]
    if chosen.since:
        parts.append(f"failed since {chosen.since:%Y-%m-%d %H:%M} UTC")
    if chosen.groups:
        parts.append(f"{len(chosen.groups)} whole {'group' if len(chosen.groups) == 1 else 'groups'}")
    if chosen.ids:
        parts.append(f"{len(chosen.ids)} single {'job' if len(chosen.ids) == 1 else 'jobs'}")
    means = "Chosen by: " + ", ".join(parts) + "." if parts else f"These are all that are {chosen.state}."
    return means + " What fails after this moment is not among them."


def _back(chosen: JobFilter) -> str:
    """The page from which the action was started."""
    return url_for("operator.jobs", **in_link(replace(chosen, groups=(), ids=(), upto=None, until=None)))


def _jobs(number: int) -> str:
    return f"{number:,} {'job' if number == 1 else 'jobs'}"


# ---- one -------------------------------------------------------------------------------------------------------

_ONE: dict[str, tuple[Callable[..., list[Job]], str]] = {
    "retry": (actions.retry, "is owed again"),
    "stop": (actions.stop, "is tried no more"),
    "restore": (actions.restore, "is restored"),
}


@blueprint.post("/jobs/<int:job_id>/<any(retry, stop, restore):action>")
@allowed("operator")
def order_one(job_id: int, action: str) -> AnyResponse:
    give, told = _ONE[action]
    give(actor(), [job_id], moments.now(), confirm.note())
    return confirm.done(f"Job {job_id} {told}.", url_for("operator.job", job_id=job_id))


@blueprint.post("/jobs/<int:job_id>/discard")
@allowed("operator")
def discard_one(job_id: int) -> AnyResponse:
    here = url_for("operator.job", job_id=job_id)
    if not confirm.given():
        return confirm.ask(
            f"Discard job {job_id}?", "It is given up, with the reason kept on it. Restore takes it back.",
            f"Discard job {job_id}", note="required", risk=True, back=here, here="operator.jobs",
        )  # fmt: skip
    actions.discard(actor(), [job_id], confirm.note(required=True) or "", moments.now())
    return confirm.done(f"Job {job_id} is discarded.", here)


# ---- an edited copy --------------------------------------------------------------------------------------------


@blueprint.get("/jobs/<int:job_id>/edit")
@allowed("operator")
def edit_job(job_id: int) -> Response:
    return _edit_page(job_id, {}, {}, "", 200)


@blueprint.post("/jobs/<int:job_id>/edit")
@allowed("operator")
def replace_job(job_id: int) -> AnyResponse:
    given = {name.removeprefix("field-"): value for name, value in request.form.items() if name.startswith("field-")}
    try:
        copy = actions.edit(actor(), job_id, given, moments.now(), confirm.note())
    except BadPayload as error:
        return _edit_page(job_id, given, error.fields, "Mend the fields that are marked; nothing was done.", 409)
    except Refused as error:
        return _edit_page(job_id, given, {}, str(error), 409)
    return confirm.done(f"Job {copy.id} is owed in place of job {job_id}.", url_for("operator.job", job_id=copy.id))


def _edit_page(job_id: int, given: dict[str, Any], faults: dict[str, str], error: str, status: int) -> Response:
    with reading() as session:
        found = jobs_ledger.get(session, job_id)
        copy, _ = filters.copies(session, found)
    known = retries.fields_of(found.kind)
    if known is None:
        raise Refused(f"This release does not know {found.kind}; what it carries cannot be edited.")
    fields = [(name, kind, given.get(name, found.payload.get(name, ""))) for name, kind in known.items()]
    left_out = sorted(found.payload.keys() - known.keys())
    page = render_template(
        "operator/job_edit.html", here="operator.jobs", job=found, fields=fields, faults=faults, error=error,
        left_out=left_out, copy=copy,
    )  # fmt: skip
    return make_response(page, status)
