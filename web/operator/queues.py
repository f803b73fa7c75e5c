"""The queues page: backlog, age, throughput, pauses, and stalled work."""

from datetime import timedelta

from flask import render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from db import moments
from db.deliveries.claiming import recovery
from db.jobs import filters
from db.monitoring import backlog
from db.monitoring.backlog import MOST, Backlog
from db.rules import Refused
from db.session import reading
from web.actions import queues as actions
from web.operator.frame import confirm
from web.operator.frame.access import actor, allowed, blueprint

LATELY = timedelta(hours=6)


@blueprint.get("/queues")
@allowed("viewer")
def queues() -> str:
    now = moments.now()
    with reading() as session:
        return render_template(
            "operator/queues.html", now=now, queues=backlog.all_queues(session, now), rates=backlog.rates(session, now),
            lapsed=filters.lapsed(session, now), claims=recovery.lapsed(session, now),
            lost=filters.lost_since(session, now - LATELY), goes_on=actions.GOES_ON,
        )  # fmt: skip


@blueprint.post("/queues/<any(votes, jobs, mail):queue>/pause")
@allowed("operator")
def pause_queue(queue: str) -> AnyResponse:
    if not confirm.given():
        sentence = f"Its work waits until somebody resumes it; what is begun is finished.{actions.GOES_ON[queue]}"
        return confirm.ask(
            f"Pause “{queue}”?", f"{sentence} The reason stands on every page until then.", f"Pause “{queue}”",
            note="required", back=url_for("operator.queues"), here="operator.queues",
        )  # fmt: skip
    actions.pause(actor(), queue, confirm.note(required=True) or "", moments.now())
    return confirm.done(f"Queue “{queue}” is paused.", url_for("operator.queues"))


@blueprint.post("/queues/<any(votes, jobs, mail):queue>/resume")
@allowed("operator")
def resume_queue(queue: str) -> AnyResponse:
    if not confirm.given():
        with reading() as session:
            held = next((each for each in backlog.standing(session, moments.now()) if each.queue == queue), None)
        if held is None:
            raise Refused(f"Queue {queue} is not paused.")
        sentence = f"{waiting_in(held)} {'waits' if held.waiting == 1 else 'wait'}; the work goes on at once."
        return confirm.ask(
            f"Resume “{queue}”?", sentence,
            f"Resume “{queue}”", back=request.form.get("back") or url_for("operator.queues"), here="operator.queues",
        )  # fmt: skip
    actions.resume(actor(), queue, moments.now(), confirm.note())
    return confirm.done(f"Queue “{queue}” goes on.", url_for("operator.queues"))


@blueprint.app_template_global()
def waiting_in(each: Backlog) -> str:
    """The backlog in words: 312 votes, more than 10,000 letters."""
    noun = {"votes": "vote", "jobs": "job", "mail": "letter", "outside": "request"}[each.queue]
    number = f"more than {MOST:,}" if each.many else f"{each.waiting:,}"
    return f"{number} {noun if each.waiting == 1 else noun + 's'}"
