"""Each operator's own account: password, second factor, recovery codes, open sessions, alerts."""

import math
from datetime import datetime

from flask import Response, abort, make_response, render_template, request, session, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from db import moments
from db.operators import operators
from db.operators.logins import LockedOut
from db.operators.operators import Operator
from db.rules import Refused
from db.session import reading
from web import visitor
from web.actions.accounts import accounts as actions
from web.actions.accounts import logins
from web.actions.accounts import second_factor as factor
from web.operator.frame import access, confirm, sessions
from web.operator.frame.access import allowed, blueprint
from web.operator.login import too_many

NOT_THAT = "That is not your password. Nothing was changed."


@blueprint.get("/account")
@allowed("viewer")
def account() -> Response:
    return _own()


@blueprint.post("/account/password")
@allowed("viewer")
def change_password() -> AnyResponse:
    new = request.form.get("new", "")
    now = moments.now()
    try:
        _prove(now)
        if new != request.form.get("again", ""):
            raise Refused("The two do not agree. Type the new password twice.")
        found = actions.change_password(access.actor(), access.current().id, new, now)
    except Refused as error:
        return _own(str(error), "password")
    sessions.begin(found, now)
    return confirm.done(
        "Your password is changed, and every other session of yours has ended.", url_for("operator.account")
    )


@blueprint.post("/account/sessions")
@allowed("viewer")
def end_own_sessions() -> AnyResponse:
    now = moments.now()
    actions.end_sessions(access.actor(), access.current().id, now)
    sessions.begin(_me(), now)
    return confirm.done("Every other session of yours has ended.", url_for("operator.account"))


@blueprint.post("/account/alerts")
@allowed("viewer")
def choose_alerts() -> AnyResponse:
    wanted = request.form.get("alerts") == "yes"
    actions.set_alerts(access.actor(), access.current().id, wanted, moments.now())
    said = "Alerts are mailed to you from now on." if wanted else "No alerts are mailed to you any more."
    return confirm.done(said, url_for("operator.account"))


# ---- the second factor --------------------------------------------------------------------------------------


@blueprint.get("/account/two-factor")
@allowed("viewer", before_second_factor=True)
def second_factor() -> Response:
    return _set_up()


@blueprint.post("/account/two-factor")
@allowed("viewer", before_second_factor=True)
def confirm_second_factor() -> Response:
    secret, now = _secret(), moments.now()
    try:
        _prove(now)
        codes = actions.set_up_second_factor(
            access.actor(), access.current().id, secret, request.form.get("code", ""), now
        )
    except Refused as error:
        return _set_up(str(error))
    session.pop("secret", None)
    return _codes(codes, "Your second factor is set up.")


@blueprint.post("/account/two-factor/codes")
@allowed("viewer")
def renew_codes() -> Response:
    now = moments.now()
    try:
        _prove(now)
        codes = actions.renew_recovery_codes(access.actor(), access.current().id, now)
    except Refused as error:
        return _own(str(error), "second_factor")
    return _codes(codes, "These recovery codes take the place of the earlier ones.")


@blueprint.post("/account/two-factor/remove")
@allowed("viewer")
def remove_second_factor() -> AnyResponse:
    now = moments.now()
    try:
        _prove(now)
        actions.remove_second_factor(access.actor(), access.current().id, now)
    except Refused as error:
        return _own(str(error), "second_factor")
    return confirm.done("Your second factor is removed: the password alone lets you in.", url_for("operator.account"))


def _secret() -> str:
    """The secret being set up in this browser; it stays the same until set-up ends."""
    kept = factor.unsealed(session["secret"]) if "secret" in session else None
    if kept is None:
        kept = factor.new_secret()
        session["secret"] = factor.sealed(kept)
    return kept


def _set_up(error: str = "") -> Response:
    found = _me()
    if found.totp_secret:
        return _own(error)
    secret = _secret()
    code = Markup('<div role="img" aria-label="QR code of the key below">{}</div>').format(
        factor.qr(factor.uri(secret, found.address))
    )
    page = render_template(
        "operator/second_factor.html", qr=code, key=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        error=error, demanded=access.lacks_second_factor(),
    )  # fmt: skip
    return make_response(page, 422 if error else 200)


def _codes(codes: list[str], said: str) -> Response:
    return make_response(render_template("operator/recovery_codes.html", codes=codes, said=said))


# ---- shared -----------------------------------------------------------------------------------------------------


def _prove(now: datetime) -> None:
    """Raises Refused unless the form has the operator's password, in case someone else uses their open browser."""
    try:
        if logins.proves_password(_me(), request.form.get("password", ""), visitor.address(), now):
            return
    except LockedOut as locked:
        raise Refused(too_many(max(1, math.ceil((locked.until - now).total_seconds())))) from None
    raise Refused(NOT_THAT)


def _me() -> Operator:
    with reading() as opened:
        return operators.get(opened, access.current().id) or abort(401)


def _own(error: str = "", about: str = "") -> Response:
    found = _me()
    with reading() as opened:
        left = operators.codes_left(opened, found.id)
    page = render_template("operator/own.html", one=found, codes_left=left, error=error, about=about)
    return make_response(page, 422 if error else 200)
