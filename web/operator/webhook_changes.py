"""What admins do about webhooks: add, change, test, a new secret, disable, enable, remove."""

from typing import NamedTuple

from flask import Response, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from db import moments
from db.rules import Refused
from db.session import reading
from db.webhooks import webhooks
from web.actions import webhooks as actions
from web.operator.frame import confirm
from web.operator.frame.access import actor, allowed, blueprint
from web.operator.webhooks import HERE, listed, secret_page


@blueprint.post("/webhooks")
@allowed("admin")
def add_webhook() -> Response:
    url, events = request.form.get("url", ""), request.form.getlist("event")
    try:
        made = actions.add(actor(), url, request.form.get("form", ""), events, moments.now())
    except Refused as error:
        return listed(str(error), 422)
    return secret_page(made.number, made.secret, is_new=True, warning=actions.warning_about(url))


@blueprint.post("/webhooks/<int:webhook_id>/change")
@allowed("admin")
def change_webhook(webhook_id: int) -> AnyResponse:
    found = actions.change(
        actor(), webhook_id, request.form.get("form"), request.form.getlist("event"), moments.now()
    )  # fmt: skip
    return confirm.done(f"Saved: it hears {len(found.events)} kinds of events.", _page(webhook_id))


@blueprint.post("/webhooks/<int:webhook_id>/test")
@allowed("admin")
def test_webhook(webhook_id: int) -> AnyResponse:
    actions.send_test(actor(), webhook_id, moments.now())
    return confirm.done("A test is on its way. Reload this page to see the answer.", _page(webhook_id))


class Question(NamedTuple):
    """The confirm question of each action; `{at}` is the webhook's origin."""

    title: str
    sentence: str
    button: str
    done: str
    note: str = "optional"
    is_risk: bool = False


QUESTIONS = {
    "secret": Question(
        "Make a new secret?", "For 24 hours messages to {at} are signed with both, the old secret and the new one. Put "
        "the new one in place there in that time.", "Make a new secret", "",
    ),
    "disable": Question(
        "Disable this webhook?", "{at} is told nothing until it is enabled again, and messages that wait are left out.",
        "Disable 1 webhook", "{at} is disabled.", note="required", is_risk=True,
    ),
    "enable": Question(
        "Enable this webhook?", "{at} is told what happens from now on. What happened meanwhile is not told.",
        "Enable 1 webhook", "{at} is enabled.",
    ),
    "remove": Question(
        "Remove this webhook?", "{at} is told nothing more, and the record of its messages is deleted.",
        "Remove 1 webhook", "{at} is removed.", is_risk=True,
    ),
}  # fmt: skip


@blueprint.post("/webhooks/<int:webhook_id>/<any(secret,disable,enable,remove):action>")
@allowed("admin")
def order_webhook(webhook_id: int, action: str) -> AnyResponse:
    with reading() as session:
        at = webhooks.get(session, webhook_id).origin
    question = QUESTIONS[action]
    if not confirm.given():
        return confirm.ask(
            question.title, question.sentence.format(at=at), question.button, note=question.note,
            risk=question.is_risk, back=_page(webhook_id), here=HERE,
        )  # fmt: skip
    note, now = confirm.note(required=question.note == "required"), moments.now()
    if action == "secret":
        return secret_page(webhook_id, actions.renew_secret(actor(), webhook_id, now, note).secret, is_new=False)
    if action == "disable":
        actions.disable(actor(), webhook_id, note or "", now)
    else:
        {"enable": actions.enable, "remove": actions.remove}[action](actor(), webhook_id, now, note)
    to = url_for("operator.webhooks_page") if action == "remove" else _page(webhook_id)
    return confirm.done(question.done.format(at=at), to)


def _page(webhook_id: int) -> str:
    return url_for("operator.webhook", webhook_id=webhook_id)
