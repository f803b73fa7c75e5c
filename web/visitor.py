"""The visitor: the voter's signed cookie, and the check that a form was sent from our own pages (CSRF)."""

from collections.abc import Iterable
from datetime import timedelta
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Response, abort, request

from db.networks import without_port
from db.settings import settings
from emails.links import BadLink, read_voter, sign_voter
from web import origins

COOKIE = "voter"
LIFE = timedelta(days=400)
"""The longest that browsers keep any cookie; each vote renews it."""


def voter() -> str | None:
    """The voter in this browser's cookie; None without a cookie or with one that this site did not sign."""
    cookie = request.cookies.get(COOKIE)
    if not cookie or len(cookie) > 200:
        return None
    try:
        return read_voter(settings().keys, cookie)
    except BadLink:
        return None


def remember(response: Response, voter: str) -> None:
    """Set the signed cookie that makes this browser the voter from now on."""
    secure = settings().base_url.startswith("https:")
    signed = sign_voter(settings().keys, voter)
    response.set_cookie(COOKIE, signed, max_age=LIFE, httponly=True, secure=secure, samesite="Lax")


def address() -> str | None:
    """The visitor's IP address, which the trusted proxies may have forwarded."""
    return request.remote_addr


def behind_proxies(app: WSGIApplication, hops: int) -> WSGIApplication:
    """WSGI middleware: REMOTE_ADDR becomes the address that the outermost of `hops` trusted proxies saw.

    Each proxy adds one to the end of X-Forwarded-For; all before the last `hops` is what a client wrote. The header is
    split at commas and no more: werkzeug's ProxyFix reads quotes, so a client's quote made it drop the whole header.
    """

    def forwarded(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        told = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        address = without_port(told[-hops]) if len(told) >= hops else ""
        if address:
            environ["REMOTE_ADDR"] = address
        return app(environ, start)

    return forwarded


def refuse_strangers(*, private_page: bool = False) -> None:
    """Answer 403 to a form that another site sent in the reader's name (CSRF).

    A browser names the origin that a form was sent from in Origin (the Fetch standard), and in Sec-Fetch-Site (Fetch
    Metadata) how that is related to this one; another host of our domain is `same-site` and is not ours. A client that
    sends neither is no browser that another site could make send a reader's cookie. Pages behind links in emails send
    no referrer, so their forms send `Origin: null`; a browser without Fetch Metadata sends nothing else, which
    `private_page` lets pass, since those forms need the token in their path as well.
    """
    told = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    related = told in ("same-origin", "none") if told is not None else private_page or origin != "null"
    ours = origin in (None, "null") or origins.is_own(origin, request.headers.get("Host", ""))
    if not (related and ours):
        abort(403, "This form came from another site, so nothing was done. Open the page here and try again.")
