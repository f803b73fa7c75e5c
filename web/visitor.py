"""Who is asking: the voter's signed cookie, and whether a form was sent from our own pages."""

from datetime import timedelta
from urllib.parse import urlsplit

from flask import Response, abort, request

from db.settings import settings
from emails.links import BadLink, read_voter, sign_voter

COOKIE = "voter"
LIFE = timedelta(days=400)
"""As long as browsers keep any cookie; it is renewed with each vote."""


def voter() -> str | None:
    """The voter this browser is, or None: it has not voted here, or its cookie was not made here."""
    cookie = request.cookies.get(COOKIE)
    if not cookie or len(cookie) > 200:
        return None
    try:
        return read_voter(settings().keys, cookie)
    except BadLink:
        return None


def remember(response: Response, voter: str) -> None:
    """Let the browser be this voter from now on."""
    secure = settings().base_url.startswith("https:")
    signed = sign_voter(settings().keys, voter)
    response.set_cookie(COOKIE, signed, max_age=LIFE, httponly=True, secure=secure, samesite="Lax")


def address() -> str | None:
    """The visitor's network address, as far as the trusted proxies tell."""
    return request.remote_addr


def refuse_strangers(*, private_page: bool = False) -> None:
    """403 for a form that another site sent in the reader's name.

    A browser says where a form stands (Fetch, "append a request Origin header"; Fetch Metadata). Who sends neither
    header is no browser that carries a reader's cookie unawares. Pages behind mailed links send no referrer, and so
    their forms say `Origin: null`; they pass for `private_page`, whose forms need the token in the path besides.
    """
    told = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if told in ("same-origin", "same-site", "none"):
        return
    if told is None and (origin is None or _is_ours(origin) or (origin == "null" and private_page)):
        return
    abort(403, "This form was sent from another site, so nothing was done. Open the page here and press again.")


def _is_ours(origin: str) -> bool:
    try:
        host = urlsplit(origin).netloc.lower()
    except ValueError:
        return False
    return host in (request.host.lower(), urlsplit(settings().base_url).netloc.lower())
