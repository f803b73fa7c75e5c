"""The security and caching headers of every response."""

from collections.abc import Iterable
from functools import lru_cache
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Response, request

from db.settings import settings

POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'; "
    "img-src 'self' data:"
)
SHARED = "public, max-age=0, s-maxage=10"
"""For what is the same for everybody: a shared cache may keep it for ten seconds, a browser asks each time."""
PRIVATE = "private, no-cache"
"""For a reader who sends a cookie. No shared cache may keep it, so that no vote depends on a cache's heeding Vary."""
VARY = "Accept-Encoding, Cookie"


def private(response: Response) -> Response:
    """For pages behind links in emails: not cached, not indexed, and no Referer is sent from them."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def security() -> dict[str, str]:
    """The security headers of a response that sets none itself."""
    return _security(settings().base_url.startswith("https:"))


@lru_cache(maxsize=2)
def _security(strict_transport: bool) -> dict[str, str]:
    found = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    }
    return found | ({"Strict-Transport-Security": "max-age=31536000"} if strict_transport else {})


class Redirect(Response):
    """An answer without a body, whose headers are sent as they stand: Flask would look through and copy them first."""

    def __call__(self, _environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(self.status, self.headers.to_wsgi_list())
        return (b"",)


def install(app: Flask) -> None:
    """Set the headers that a response of `app` does not set itself."""
    standing = security()

    @app.after_request
    def secure(response: Response) -> Response:
        headers = response.headers
        set_already = {name.lower() for name in headers.keys()}  # noqa: SIM118  to look each up would take longer
        for name, value in standing.items():
            if name.lower() not in set_already:
                headers.add(name, value)
        if "cache-control" not in set_already:
            headers["Cache-Control"] = _caching(response)
            if "vary" in set_already:
                response.vary.add("Cookie")
            else:
                headers.add("Vary", "Cookie")
        return response


def _caching(response: Response) -> str:
    return SHARED if request.method in ("GET", "HEAD") and response.status_code == 200 and not _cookie() else PRIVATE


def _cookie() -> bool:
    return "Cookie" in request.headers
