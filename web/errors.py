"""The error pages: the right status, what went wrong, and what the reader can do about it."""

from functools import lru_cache

import structlog
from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import HTTPException, MethodNotAllowed, ServiceUnavailable, TooManyRequests
from werkzeug.http import parse_accept_header

from db import schema, signing_keys
from db.errors import DBAPIError, PoolTimeout, SQLAlchemyError
from db.refusals import refusal
from db.schema import WrongSchema
from db.setting_errors import BadSettings
from web import bulkhead, headers

log = structlog.get_logger("web")

_UPGRADING = "The site is being brought up to date. Nothing was lost; try again in a minute."


_SAID = {
    400: ("The form was incomplete", "We couldn’t read all of it. Go back, reload the page and try again."),
    403: ("Sent from another site", "This form came from another site, so nothing was done. Please use the form here."),
    404: ("Page not found", "The address may be mistyped, or the page is gone. The archive has all comparisons."),
    405: ("This page can’t be opened directly", "It only takes a form from one of our pages. Use the button there."),
    413: ("That was too large", "It’s larger than any form here allows. Go back, shorten it and send it again."),
    415: ("That format isn’t supported", "Please send the form with the button on the page."),
    429: ("Too many requests", "They came too fast. Please wait a minute and try again."),
    500: ("Something went wrong", "That was our mistake, and we’ve logged it. Please try again in a minute."),
    503: ("Back in a moment", "Our database isn’t responding right now. Nothing was lost; try again in a minute."),
}  # fmt: skip


def wants_json() -> bool:
    """Whether the Accept header prefers JSON to a page."""
    told = request.environ.get("HTTP_ACCEPT", "")
    return bool(told) and (_prefers_json if len(told) <= _USUAL else _prefers_json.__wrapped__)(told)


@lru_cache(maxsize=256)
def _prefers_json(told: str) -> bool:
    """Browsers send a few long headers, which take longer to read than a vote takes to be counted."""
    return parse_accept_header(told, MIMEAccept).best_match(["text/html", "application/json"]) == "application/json"


_USUAL = 300
"""Characters of a header that is worth being remembered."""


def page(status: int, title: str = "", advice: str = "") -> Response:
    """The page or the JSON for one kind of failure."""
    usual = _SAID.get(status, _SAID[500 if status >= 500 else 400])
    title, advice = title or usual[0], advice or usual[1]
    menu = "token" not in (request.view_args or {})  # pages behind links in emails have no menu
    if wants_json():
        response = jsonify(error=title, advice=advice)
    else:
        response = make_response(render_template("error.html", status=status, title=title, advice=advice, menu=menu))
    response.status_code = status
    return headers.private(response)


def install(app: Flask) -> None:
    """Register the error handlers on `app`."""

    said: set[str] = set()

    @app.before_request
    def beside_its_schema() -> Response | None:
        """Answer 503 to every page while this release cannot work with the database, so that none shows wrong data."""
        if request.endpoint in bulkhead.SERVED_ALWAYS:
            return None
        try:
            schema.check()
            signing_keys.check()
        except (WrongSchema, BadSettings) as error:
            if str(error) not in said:
                log.warning("every page answers 503", told=str(error))
                said.add(str(error))
            response = page(503, advice=_UPGRADING)
            response.headers["Retry-After"] = "60"
            return response
        except (DBAPIError, PoolTimeout) as error:
            if bulkhead.met_silence(error):
                return database(error)  # to ask once more would take as long again
            return None  # pages that query the database answer with an error of their own
        except (SQLAlchemyError, OSError):
            return None
        return None

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        if error.code is None or error.code < 400:
            return make_response(error.get_response())
        own = type(error).description
        advice = error.description if error.description and error.description != own else ""
        response = page(error.code, advice=advice)
        if isinstance(error, TooManyRequests | ServiceUnavailable) and error.retry_after:
            response.headers["Retry-After"] = str(error.retry_after)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    @app.errorhandler(DBAPIError)
    @app.errorhandler(PoolTimeout)
    def database(error: Exception) -> Response:
        bulkhead.met_silence(error)
        told = refusal(error)
        if told is None:
            log.error("the database did not answer", exc_info=error)
        else:  # a line each: whoever fills a disk has no use for tracebacks
            log.warning("the database refused a page", error=told)
        response = page(503, advice="" if request.method in ("GET", "HEAD") else bulkhead.NOT_SAVED)
        response.headers["Retry-After"] = "60"
        return response

    @app.errorhandler(Exception)
    def mistake(error: Exception) -> Response:
        log.error("a page failed", exc_info=error)
        return page(500)
