"""The webhooks page: others' servers that are told what happens here, what each hears, and what it answered last."""

from flask import Response, abort, make_response, render_template, request, url_for

from db import moments
from db.session import reading
from db.webhooks import messages, webhooks
from db.webhooks.event_types import TYPES
from db.webhooks.forms import FORMS
from db.webhooks.webhooks import OVERLAP
from web.operator.frame.access import allowed, blueprint, may

HERE = "operator.webhooks_page"
LAST = 30
"""How many of its last messages a webhook's page shows."""


@blueprint.get("/webhooks")
@allowed("viewer")
def webhooks_page() -> Response:
    return listed()


@blueprint.get("/webhooks/<int:webhook_id>")
@allowed("viewer")
def webhook(webhook_id: int) -> str:
    now = moments.now()
    with reading() as session:
        found = webhooks.find(session, webhook_id) or abort(404, "There is no webhook of that number.")
        sent = messages.last(session, webhook_id, LAST)
    return render_template(
        "operator/webhook.html", here=HERE, one=found, sent=sent, types=TYPES, forms=FORMS, now=now,
        url=found.url if may("admin") else None, overlaps=found.earlier_until and found.earlier_until > now,
    )  # fmt: skip


def listed(error: str = "", status: int = 200) -> Response:
    """The page of all webhooks; with an error beside the form that adds one, which keeps what was typed."""
    with reading() as session:
        rows = webhooks.listed(session)
        newest = messages.newest(session, [each.id for each in rows])
    page = render_template(
        "operator/webhooks.html", here=HERE, webhooks=rows, newest=newest, types=TYPES, forms=FORMS, error=error,
        chosen=request.form.getlist("event"),
    )  # fmt: skip
    return make_response(page, status)


def secret_page(number: int, secret: str, *, is_new: bool, warning: str = "") -> Response:
    """The page that shows a secret, this once."""
    hours = round(OVERLAP.total_seconds() / 3600)
    page = render_template(
        "operator/webhook_secret.html", here=HERE, number=number, secret=secret, is_new=is_new, warning=warning,
        hours=hours, back=url_for("operator.webhook", webhook_id=number),
    )  # fmt: skip
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response
