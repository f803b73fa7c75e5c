"""Signing in and out."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from flask import Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from db import operators
from db.session import reading
from web.operator import access, passwords, sessions
from web.operator.access import allowed, rooms

WRONG = "That address and password do not fit together. Please try again."


@rooms.get("/login")
@allowed(access.STRANGER)
def login() -> str | AnyResponse:
    if access.me():
        return redirect(_next(), 303)
    return _page()


@rooms.post("/login")
@allowed(access.STRANGER)
def sign_in() -> AnyResponse:
    now = datetime.now(UTC)
    with reading() as session:
        found = operators.by_address(session, request.form.get("address", ""))
    known = found.password_hash if found and found.disabled_at is None else None
    if not passwords.fits(known, request.form.get("password", "")) or found is None:
        return _refuse(WRONG, 401)
    sessions.begin(found, now)
    return redirect(_next(), 303)


@rooms.post("/logout")
@allowed("viewer")
def logout() -> AnyResponse:
    sessions.end()
    return redirect(url_for("operator.login"), 303)


def _page(error: str = "") -> str:
    with reading() as session:
        is_first = not operators.any_at_all(session)
    return render_template("operator/login.html", error=error, is_first=is_first, next=_next())


def _refuse(sentence: str, status: int) -> Response:
    return make_response(_page(sentence), status)


def _next() -> str:
    """Where to after signing in: only ever a page of this console."""
    asked = request.values.get("next", "")
    parts = urlsplit(asked)
    is_ours = parts.path == "/operator" or parts.path.startswith("/operator/")
    plain = asked.isascii() and asked.isprintable() and "\\" not in asked
    return asked if is_ours and plain and not parts.scheme and not parts.netloc else url_for("operator.overview")
