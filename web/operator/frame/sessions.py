"""The console's sessions. Readers' pages neither set nor read this cookie."""

import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from flask import Flask, Request, Response, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask_login import LoginManager, login_user, logout_user
from itsdangerous import BadSignature

from db import moments
from db.operators import operators
from db.operators.operators import Operator
from db.session import reading
from db.settings import settings
from web import visitor
from web.operator.frame.access import Present, csrf

LIFE = timedelta(hours=12)
"""The longest session: after this, even an active operator signs in again."""
IDLE = timedelta(hours=2)
_SEEN_EVERY = timedelta(minutes=1)
PATH = "/operator"


class ConsoleSessions(SecureCookieSessionInterface):
    """Flask's signed session cookie, read and saved on the console's pages only."""

    digest_method = staticmethod(sha256)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if not _is_ours(request.path):
            return SecureCookieSession()
        serializer, cookie = self.get_signing_serializer(app), request.cookies.get(self.get_cookie_name(app))
        if serializer is None or cookie is None:
            return SecureCookieSession()
        try:
            # No `max_age`: itsdangerous dates the cookie by its host's clock, and a host that is a second behind would
            # take it for one from the future. How old the session may be, `began` and `seen` in it decide.
            return SecureCookieSession(serializer.loads(cookie))
        except BadSignature:
            return SecureCookieSession()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if _is_ours(request.path):
            super().save_session(app, session, response)


def _is_ours(path: str) -> bool:
    return path == PATH or path.startswith(PATH + "/")


manager = LoginManager()
manager.session_protection = "strong"


def install(app: Flask) -> None:
    """Install sessions and CSRF tokens for the console on `app`."""
    first, *others = (hmac.digest(key, b"operators' sessions", "sha256") for key in settings().keys)
    app.config.update(
        SECRET_KEY=first,
        SECRET_KEY_FALLBACKS=others,
        SESSION_COOKIE_NAME="operator",
        SESSION_COOKIE_PATH=PATH,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings().base_url.startswith("https:"),
        WTF_CSRF_CHECK_DEFAULT=False,  # the access guard checks it, on the console's pages only
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its session
        WTF_CSRF_SSL_STRICT=False,  # it needs a Referer, which our pages do not send
    )
    app.session_interface = ConsoleSessions()
    manager.user_loader(_load)
    manager._session_identifier_generator = _browser
    manager.init_app(app, add_context_processor=False)
    csrf.init_app(app)


def _browser() -> str:
    """What a session is bound to; Flask-Login's default would trust any X-Forwarded-For."""
    asked = f"{visitor.address()}|{request.headers.get('User-Agent', '')}"
    return sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()


def begin(operator: Operator, now: datetime) -> None:
    """Start a fresh session; nothing from the browser's earlier one is kept (no session fixation)."""
    session.clear()
    login_user(_present(operator))
    session["began"] = session["seen"] = int(now.timestamp())


def end() -> None:
    """Clear the session in this browser."""
    logout_user()
    session.clear()


def _load(marked: str) -> Present | None:
    now = moments.now()
    number, _, epoch = marked.partition(".")
    if not _still_good(now):
        return None
    with reading() as opened:
        found = operators.get(opened, int(number))
    if found is None or found.disabled_at is not None or str(found.epoch) != epoch:
        return None
    _note_presence(now)
    return _present(found)


def _still_good(now: datetime) -> bool:
    began, seen = (datetime.fromtimestamp(session.get(name, 0), UTC) for name in ("began", "seen"))
    return now - began < LIFE and now - seen < IDLE


def _note_presence(now: datetime) -> None:
    # A live part that polls on an unattended screen does not count as activity.
    is_person = "X-Live" not in request.headers
    if is_person and now.timestamp() - session["seen"] >= _SEEN_EVERY.total_seconds():
        session["seen"] = int(now.timestamp())


def _present(operator: Operator) -> Present:
    return Present(operator.id, operator.address, operator.role, operator.epoch, operator.totp_secret is not None)
