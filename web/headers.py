"""The security and caching headers of every response."""

from flask import Flask, Response, request

from db.settings import settings

POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'; "
    "img-src 'self' data:"
)


def private(response: Response) -> Response:
    """For pages behind links in emails: not cached, not indexed, and no Referer is sent from them."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def install(app: Flask) -> None:
    """Set the headers that a response of `app` does not set itself."""
    strict_transport = settings().base_url.startswith("https:")

    @app.after_request
    def secure(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", POLICY)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
        if strict_transport:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if request.endpoint == "static" and "v" in request.args and response.status_code in (200, 304):
            headers["Cache-Control"] = "public, max-age=31536000, immutable"  # the address changes with the content
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = _caching(response)
            response.vary.add("Cookie")
        return response


def _caching(response: Response) -> str:
    # A page that shows no visitor's own vote is the same for all, so a shared cache may keep it for ten seconds.
    if request.method in ("GET", "HEAD") and response.status_code == 200 and not request.cookies:
        return "public, max-age=0, s-maxage=10"
    return "private, no-cache"
