"""The digest pages: drafts and progress. The actions on a digest are in digest_actions.py."""

import math
from datetime import timedelta

from flask import Response, abort, render_template, request, url_for

from db import moments, rules
from db.deliveries.limits import breakers, stops
from db.digests import archive, digests
from db.digests.catalog import Comparison
from db.digests.digests import Digest
from db.feedback import feedback
from db.session import reading
from db.settings import settings
from db.values import duration
from emails.letters import DigestContent
from web.actions.digests import send_time
from web.actions.subscribers import came_back
from web.operator import digest_progress
from web.operator.frame import live
from web.operator.frame.access import allowed, blueprint
from web.operator.frame.paging import paged
from worker.digests import by_hand
from worker.sending import transport_kinds

HERE = "operator.digests"
PAGE = 20
MOVING = ("frozen", "sending", "paused")
"""States in which a digest's numbers change without an operator's action."""


@blueprint.get("/digests", endpoint="digests")
@allowed("viewer")
def digests_() -> str:
    before = request.args.get("before")
    with reading() as session:
        rows = digests.page(session, before, PAGE + 1)
    shown, page = paged(rows, PAGE, before, lambda each: each.slot, lambda at: url_for(HERE, before=at))
    accounts = {each.slot: digest_progress.account_of(each) for each in shown if each.frozen_at}
    return render_template("operator/digests.html", page_title="Digests", found=shown, accounts=accounts, page=page)


@blueprint.get("/digests/<slot>")
@allowed("viewer")
def digest(slot: str) -> str:
    found = opened(slot)
    return render_template("operator/digest.html", page_title=f"Digest {slot}", here=HERE, **_shown(found))


@blueprint.get("/digests/<slot>/progress", endpoint="digest_progress")
@allowed("viewer")
def progress(slot: str) -> Response:
    found = opened(slot)
    if found.frozen_at is None:
        abort(404, f"Digest {slot} is {found.state}: nothing of it is on its way.")
    return live.part(render_template("operator/digest_progress.html", **_shown(found)))


def opened(slot: str) -> Digest:
    """The slot's digest, or 404."""
    with reading() as session:
        found = digests.by_slot(session, slot)
    return found or abort(404, f"There is no digest {slot}.")


def _shown(found: Digest) -> dict[str, object]:
    look = digest_progress.of(found) if found.frozen_at else None
    moving = found.state in MOVING
    with reading() as session:
        shut = breakers.open_breakers(session) if moving else []
        waits = transport_kinds.differences(session, moments.now()) if moving else []
        held = [stop.domain for stop, _ in stops.standing_stops(session) if stop.domain] if moving else []
        back = came_back.of_many(feedback.counts(session, found.id)) if found.frozen_at else ""
        goes_on_at = send_time.goes_on_at(session, found, moments.now())
    content = DigestContent.from_json(found.content) if found.content and "comparisons" in found.content else None
    return {
        "digest": found, "look": look, "shut": shut, "held": held, "waits": waits, "content": content, "moving": moving,
        "goes_on_at": goes_on_at, "left": send_time.left(look.waits, look.left, moments.now()) if look else None,
        "now": moments.now(), "every": math.ceil(max(2.0, look.holds_for)) if look else 2,
        "links": {state: url_for("operator.deliveries", slot=found.slot, state=state) for state in STATES_LINKED},
        "passed_over": passed_over(found),
        "back": back,
        "too_late": moments.now() > found.due_at + settings().digest_lateness,
    }  # fmt: skip


def passed_over(found: Digest) -> list[Comparison]:
    """The comparisons for whose sake the digest is held."""
    if not archive.holds(found):
        return []
    with reading() as session:
        return archive.passed_over(session, max(moments.now(), found.due_at))


STATES_LINKED = ("pending", "sending", "sent", "deferred", "failed", "skipped", "unknown", "cancelled")


# ---- words -------------------------------------------------------------------------------------------------------


@blueprint.app_template_global()
def late(digest: Digest) -> str:
    """How late a digest was frozen; empty within a minute of its hour."""
    by = digest.frozen_at - digest.due_at if digest.frozen_at else timedelta()
    if abs(by) < timedelta(minutes=1):
        return ""
    return f"{duration(by)} late" if by > timedelta() else f"{duration(-by)} early"


_STATES = {
    "draft": ("○", "quiet"), "held": ("!", "warn"), "frozen": ("●", "good"), "sending": ("●", "good"),
    "paused": ("!", "warn"), "finished": ("✓", "good"), "cancelled": ("✕", "bad"), "skipped": ("–", "quiet"),
    "expired": ("✕", "bad"),
}  # fmt: skip


@blueprint.app_template_global()
def digest_sign(state: str) -> tuple[str, str]:
    """A digest's state as sign and colour."""
    return _STATES[state]


@blueprint.app_template_global()
def kept_for(kind: str) -> str:
    """How long this kind of data is kept, in words."""
    return rules.RETENTION[kind].until


@blueprint.app_template_global()
def gone(digest: Digest) -> bool:
    """Whether the digest has been released."""
    return digest.state in by_hand.GONE
