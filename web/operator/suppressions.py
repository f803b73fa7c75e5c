"""The suppression list: blocked addresses, reasons, and lifting them."""

from datetime import UTC, datetime

from flask import render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from db import moments
from db.deliveries.limits import stops
from db.rules import SUPPRESSIONS, BadAddress
from db.session import reading
from db.subscribers import suppressions as room
from web.actions.subscribers import subscribers as actions
from web.actions.subscribers import suspected
from web.operator.frame import confirm
from web.operator.frame.access import actor, allowed, blueprint
from web.operator.frame.cached import Cached
from web.operator.frame.paging import paged
from web.operator.people import address_field, lift_one

PAGE = 50
_counts = Cached(lambda session, now: room.counts(session))  # noqa: ARG005


@blueprint.get("/suppressions")
@allowed("viewer")
def suppressions() -> str:
    reason = request.args.get("reason")
    if reason not in SUPPRESSIONS:
        reason = None
    before = _cursor(request.args.get("before", ""))
    with reading() as session:
        rows = room.page(session, reason, before=before, limit=PAGE + 1)
        held = [(stop, digest.slot) for stop, digest in stops.standing_stops(session) if stop.domain]
    shown, page = paged(
        rows, PAGE, before, lambda each: f"{each.at.isoformat()},{each.address_hash}",
        lambda at: url_for("operator.suppressions", reason=reason, before=at),
    )  # fmt: skip
    return render_template(
        "operator/suppressions.html", found=shown, reason=reason, rules=SUPPRESSIONS, counts=_counts(),
        page=page, held=held, suspected=suspected.by_digest(),
    )  # fmt: skip


def _cursor(written: str) -> tuple[datetime, str] | None:
    at, _, hashed = written.partition(",")
    try:
        moment = datetime.fromisoformat(at.replace(" ", "+"))
        return (moment.astimezone(UTC), hashed) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


@blueprint.post("/suppressions/<address_hash>/lift")
@allowed("operator")
def lift_suppression(address_hash: str) -> AnyResponse:
    answer = lift_one(address_hash, url_for("operator.suppressions"), "operator.suppressions")
    _counts.forget()
    return answer


@blueprint.post("/suppressions/add")
@allowed("operator")
def add_suppression() -> AnyResponse:
    address = request.form.get("address", "").strip()
    error = ""
    if confirm.given():
        try:
            actions.suppress(actor(), [address], moments.now(), confirm.note())
        except BadAddress as bad:
            error = str(bad)
        else:
            _counts.forget()
            return confirm.done("1 address was suppressed.", url_for("operator.suppressions"))
    page = confirm.ask(
        "Suppress an address", "No letter of any kind goes to it any more, those that are queued included."
        " Of the address a keyed hash is kept; it cannot be read back from the list.", "Suppress 1 address",
        extra=address_field(address, error), back=url_for("operator.suppressions"), here="operator.suppressions",
    )  # fmt: skip
    page.status_code = 400 if error else 200
    return page
