"""Each line that is logged amid a request names it: by an id, and by its route without what a visitor put into it."""

import random
import re

import structlog
from flask import Flask, Response, request

from db.settings import settings

HEADER = "X-Request-ID"
_GIVEN = re.compile(r"[A-Za-z0-9_.:-]{8,64}", re.ASCII)


def install(app: Flask) -> None:
    """Name requests by the trusted proxy's id, so that its log and ours can be read together, or by one of our own.

    Answers that tell of a mistake carry the id too, so that whoever reports it can name it.
    """
    trusted = settings().trusted_proxies > 0

    @app.before_request
    def name() -> None:
        given = request.headers.get(HEADER, "") if trusted else ""
        number = given if _GIVEN.fullmatch(given) else _own_number()
        structlog.contextvars.bind_contextvars(request=number, route=f"{request.method} {request.url_rule}")

    @app.after_request
    def tell(response: Response) -> Response:
        if response.status_code >= 500:
            response.headers[HEADER] = structlog.contextvars.get_contextvars().get("request", "")
        return response

    @app.teardown_request
    def forget(_error: BaseException | None) -> None:
        structlog.contextvars.unbind_contextvars("request", "route")


def _own_number() -> str:
    """A number that nobody needs to be unable to guess; the system's random numbers would cost a call of the kernel."""
    return f"{random.getrandbits(64):016x}"
