"""Operators' accounts, for admins: roles, invitations, and disabling accounts."""

from datetime import datetime, timedelta
from typing import NamedTuple

from flask import Response, abort, make_response, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from db import moments
from db.operators import operators
from db.operators.operators import INVITATION_LIFE, ROLES, Operator
from db.rules import BadAddress, Refused
from db.session import reading
from web.actions.accounts import accounts as actions
from web.operator.frame import access, confirm
from web.operator.frame.access import allowed, blueprint

HERE = "operator.accounts"


@blueprint.get("/accounts")
@allowed("admin")
def accounts() -> Response:
    return _list()


@blueprint.post("/accounts")
@allowed("admin")
def invite() -> Response:
    address, role = request.form.get("address", ""), request.form.get("role", "")
    now = moments.now()
    try:
        link = actions.add(access.actor(), address, role, now, confirm.note())
    except (BadAddress, Refused) as error:
        return _list(str(error), 422 if isinstance(error, BadAddress) else 409)
    return _link(link, address.strip(), now)


@blueprint.get("/accounts/<int:operator_id>")
@allowed("admin")
def account_of(operator_id: int) -> str:
    with reading() as session:
        found = operators.get(session, operator_id) or abort(404, "There is no account of that number.")
        left = operators.codes_left(session, operator_id)
    return render_template("operator/account_of.html", here=HERE, one=found, codes_left=left, roles=ROLES)


class Question(NamedTuple):
    """The confirm question of each action on an account: `{who}` is its address, `{role}` the chosen role."""

    title: str
    sentence: str
    button: str
    done: str
    is_risk: bool = False


QUESTIONS = {
    "role": Question(
        "Change the role?", "{who} will have the role {role}. Sessions that they have open end.",
        "Make them {role}", "{who} has the role {role} now.",
    ),
    "disable": Question(
        "Disable this account?", "{who} is signed out at once and cannot sign in until the account is enabled again.",
        "Disable 1 account", "{who} is disabled.", is_risk=True,
    ),
    "enable": Question(
        "Enable this account?", "{who} can sign in again with the password and the second factor that they had.",
        "Enable 1 account", "{who} is enabled.",
    ),
    "sessions": Question(
        "End all sessions?", "{who} is signed out in every browser, and can sign in again.",
        "End all sessions", "Every session of {who} has ended.",
    ),
    "reset": Question(
        "Reset this account?", "The password of {who} stops working, and their sessions end. You get a link to hand "
        "over, at which they set another.", "Reset 1 account", "", is_risk=True,
    ),
}  # fmt: skip


_ALSO = Markup(
    '<p><label class="choice"><input type="checkbox" name="second_factor" value="yes"> '
    "Remove the second factor too: they have lost it, and their recovery codes</label></p>"
)


@blueprint.post("/accounts/<int:operator_id>/<any(role,disable,enable,sessions,reset):action>")
@allowed("admin")
def change_account(operator_id: int, action: str) -> AnyResponse:
    with reading() as session:
        found = operators.get(session, operator_id) or abort(404, "There is no account of that number.")
    question, back = QUESTIONS[action], url_for("operator.account_of", operator_id=operator_id)
    told = {"who": found.address, "role": request.form.get("role", "")}
    if action == "role" and told["role"] not in ROLES:
        abort(400, "Choose one of the roles on the page.")
    if not confirm.given():
        sentence = question.sentence.format(**told)
        extra = _ALSO if action == "reset" and found.totp_secret else ""
        button, fields = question.button.format(**told), {"role": told["role"], "back": back}
        return confirm.ask(
            question.title, sentence, button, fields, extra=extra, risk=question.is_risk, back=back, here=HERE
        )
    link = _carry_out(action, found, told["role"])
    return _link(link, found.address, moments.now()) if link else confirm.done(question.done.format(**told), back)


def _carry_out(action: str, found: Operator, role: str) -> str | None:
    actor, now, note = access.actor(), moments.now(), confirm.note()
    if action == "reset":
        also = request.form.get("second_factor") == "yes"
        return actions.reset(actor, found.id, now, note, also_second_factor=also)
    if action == "role":
        actions.change_role(actor, found.id, role, now, note)
    else:
        {"disable": actions.disable, "enable": actions.enable, "sessions": actions.end_sessions}[action](
            actor, found.id, now, note
        )
    return None


def _list(error: str = "", status: int = 200) -> Response:
    with reading() as session:
        rows = operators.listed(session)
    return make_response(
        render_template("operator/accounts.html", here=HERE, accounts=rows, roles=ROLES, error=error), status
    )


def _link(link: str, address: str, now: datetime) -> Response:
    """The page that shows an invitation's link once."""
    until: datetime = now + INVITATION_LIFE - timedelta(minutes=1)
    return make_response(render_template("operator/link.html", here=HERE, link=link, address=address, until=until))
