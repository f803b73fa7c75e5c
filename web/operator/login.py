"""Sign-in and sign-out: the password, the second factor if set up, and the invitation link for a first password."""

import math
from datetime import datetime, timedelta

from flask import Response, flash, make_response, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from db import moments
from db.operators import operators
from db.operators.logins import LockedOut
from db.operators.operators import Operator
from db.rules import Refused
from db.session import reading
from db.values import duration
from web import visitor
from web.actions.accounts import accounts, logins
from web.operator.frame import access, confirm, sessions
from web.operator.frame.access import allowed, blueprint

WRONG = "That address and password do not fit together. Please try again."
WRONG_CODE = "That code is not right, or was used before. Wait for the next one, or take a recovery code."
HALF_WAY = timedelta(minutes=5)
"""How long after the password the code may follow."""


# ---- sign-in ----------------------------------------------------------------------------------------------


@blueprint.get("/login")
@allowed(access.STRANGER)
def login() -> str | AnyResponse:
    if access.me():
        return redirect(_next(), 303)
    return _page("login")


@blueprint.post("/login")
@allowed(access.STRANGER)
def sign_in() -> AnyResponse:
    now = moments.now()
    address, password = request.form.get("address", ""), request.form.get("password", "")
    try:
        found = logins.by_password(address, password, visitor.address(), now)
    except LockedOut as locked:
        return _wait("login", locked, now)
    if found is None:
        return make_response(_page("login", WRONG), 401)
    if not found.totp_secret:
        return _enter(found, now)
    session.clear()
    session["half"] = {"id": found.id, "epoch": found.epoch, "at": int(now.timestamp())}
    return redirect(url_for("operator.code", next=request.form.get("next")), 303)


@blueprint.get("/login/code")
@allowed(access.STRANGER)
def code() -> str | AnyResponse:
    return _page("code") if _half(moments.now()) else redirect(url_for("operator.login"), 303)


@blueprint.post("/login/code")
@allowed(access.STRANGER)
def show_code() -> AnyResponse:
    now = moments.now()
    half = _half(now)
    if half is None:
        flash("That took too long. Please sign in again.")
        return redirect(url_for("operator.login"), 303)
    try:
        found = logins.by_code(half["id"], half["epoch"], request.form.get("code", "")[:100], visitor.address(), now)
    except LockedOut as locked:
        return _wait("code", locked, now)
    return _enter(found, now) if found else make_response(_page("code", WRONG_CODE), 401)


def _half(now: datetime) -> dict[str, int] | None:
    """The operator whose password was just accepted in this browser."""
    half: dict[str, int] | None = session.get("half")
    return half if half and now.timestamp() - half["at"] < HALF_WAY.total_seconds() else None


def _enter(found: Operator, now: datetime) -> AnyResponse:
    sessions.begin(found, now)
    return redirect(_next(), 303)


def _wait(page: str, locked: LockedOut, now: datetime) -> Response:
    seconds = max(1, math.ceil((locked.until - now).total_seconds()))
    response = make_response(_page(page, too_many(seconds)), 429)
    response.headers["Retry-After"] = str(seconds)
    return response


def too_many(seconds: int) -> str:
    """The message for a locked-out attempt. Minutes are rounded up, so that waiting that long is enough."""
    wait = duration(timedelta(seconds=seconds if seconds < 120 else seconds + 59))
    return f"Too many attempts failed in a row. Please wait {wait}."


def _page(name: str, error: str = "") -> str:
    with reading() as opened:
        is_first = not operators.any_at_all(opened)
    return render_template(f"operator/{name}.html", error=error, is_first=is_first, next=_next())


def _next() -> str:
    """The page after sign-in, always one of this console (no open redirect)."""
    asked = request.values.get("next", "")
    return confirm.ours(asked) or url_for("operator.overview")


# ---- invitations ------------------------------------------------------------------------------------------


@blueprint.get("/invitation/<token>")
@allowed(access.STRANGER)
def invitation(token: str) -> Response:
    return _invited(token)


@blueprint.post("/invitation/<token>")
@allowed(access.STRANGER)
def accept(token: str) -> AnyResponse:
    password = request.form.get("password", "")
    try:
        if password != request.form.get("again", ""):
            raise Refused("The two do not agree. Type the same password twice.")
        accounts.accept(token, password, visitor.address(), moments.now())
    except Refused as error:
        return _invited(token, str(error))
    session.clear()
    flash("Your password is set. Sign in with it.")
    return redirect(url_for("operator.login"), 303)


def _invited(token: str, error: str = "") -> Response:
    with reading() as opened:
        found = operators.by_invitation(opened, accounts.hash_of(token), moments.now())
    if found is None:
        return make_response(render_template("operator/error.html", title="This link does not work any more",
                                             advice=accounts.LAPSED, status=410), 410)  # fmt: skip
    page = render_template("operator/invitation.html", address=found.address, role=found.role, error=error)
    return make_response(page, 422 if error else 200)


# ---- sign-out -----------------------------------------------------------------------------------------------


@blueprint.post("/logout")
@allowed("viewer", before_second_factor=True)
def logout() -> AnyResponse:
    logins.left(access.actor(), moments.now())
    sessions.end()
    flash("You are signed out.")
    return redirect(url_for("operator.login"), 303)
