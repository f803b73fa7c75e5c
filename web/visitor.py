"""The visitor: the voter's signed cookie, and the check that a form was sent from our own pages (CSRF)."""

from collections.abc import Iterable
from datetime import timedelta
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, abort, request
from werkzeug.datastructures import MultiDict
from werkzeug.sansio.http import parse_cookie

from db.networks import without_port
from db.settings import settings
from emails.links import BadLink, read_voter, sign_voter
from web import origins

COOKIE = "voter"
"""The voter's cookie of a site without https, and until release 0.4.0 of every site."""
SECURE_COOKIE = "__Host-voter"
"""The cookie of a site with https. Browsers take this name from the host itself alone, so no other host of its domain
can make a reader vote as somebody else (RFC 6265bis 4.1.3.2)."""
LIFE = timedelta(days=400)
"""The longest that browsers keep any cookie; each vote renews it."""
_SECONDS = int(LIFE.total_seconds())
Cookies = MultiDict[str, str]
_READERS = ("pages", "votes", "subscriptions")
_MOST = 8
"""Cookies of one name that are looked at."""


def install(app: Flask) -> None:
    """Give a reader who comes with the cookie's old name the new one with the next answer, whatever it is."""

    @app.after_request
    def rename(response: Response) -> Response:
        if request.blueprint in _READERS and is_owed_a_name(request.cookies):
            _rename(response)
        return response


def voter() -> str | None:
    """The voter in this browser's cookie; None without a cookie, or with one that this site did not sign."""
    return voter_of(request.cookies) if "HTTP_COOKIE" in request.environ else None


def cookies_of(environ: WSGIEnvironment) -> Cookies:
    """As Flask reads them."""
    return parse_cookie(environ.get("HTTP_COOKIE"))


def voter_of(cookies: Cookies) -> str | None:
    return (_voter_in(cookies, SECURE_COOKIE) if _is_secure() else None) or _voter_in(cookies, COOKIE)


def is_owed_a_name(cookies: Cookies) -> bool:
    """Whether a reader comes with the cookie's old name, and gets the new one with the answer."""
    return COOKIE in cookies and _is_secure()


def remember(response: Response, voter: str) -> None:
    """Set the signed cookie that makes this browser the voter from now on."""
    signed = sign_voter(settings().keys, voter)
    name, secure = (SECURE_COOKIE, "Secure; ") if _is_secure() else (COOKIE, "")
    # As `set_cookie` writes it, without Expires, which no browser reads beside Max-Age (RFC 6265 5.3).
    told = f"{name}={signed}; {secure}Max-Age={_SECONDS}; HttpOnly; Path=/; SameSite=Lax"
    response.headers.add("Set-Cookie", told)


def _is_secure() -> bool:
    return settings().base_url.startswith("https:")


def _voter_in(cookies: Cookies, name: str) -> str | None:
    """The voter in the cookies of this name. Where they name two, somebody else has set one of them, and nobody knows
    which: then it is neither."""
    found = {_read(each) for each in cookies.getlist(name)[:_MOST]} - {None}
    return found.pop() if len(found) == 1 else None


def _read(cookie: str) -> str | None:
    if not cookie or len(cookie) > 200:
        return None
    try:
        return read_voter(settings().keys, cookie)
    except BadLink:
        return None


def _rename(response: Response) -> None:
    """The old cookie goes once the new one is there. Before that, to delete a reader's own would leave alone the one
    that another host of the domain has set beside it."""
    has_new = _voter_in(request.cookies, SECURE_COOKIE) or any(
        each.startswith(f"{SECURE_COOKIE}=") for each in response.headers.getlist("Set-Cookie")
    )
    if not has_new:
        known = _voter_in(request.cookies, COOKIE)
        if known is None:
            return
        remember(response, known)
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Lax")


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
