"""What readers see when something cannot be done: the right status, and what to do about it."""

import logging

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from db.errors import DBAPIError, PoolTimeout
from web import headers

log = logging.getLogger(__name__)

_SAID = {
    400: ("That was not whole", "Something in it could not be read. Go back, open the page again and press once more."),
    403: ("Not from here", "This form was sent from another site, so nothing was done. Press again on our own page."),
    404: ("Nothing stands here", "The address may be mistyped, or the page has gone. The archive has all comparisons."),
    405: ("Not this way", "This address answers to a form on one of our pages. Open the page and use its button."),
    413: ("That was too much", "What was sent is larger than any form here. Go back, shorten it and send it again."),
    415: ("Not in this form", "Send it as an ordinary form, as the buttons on the pages do."),
    500: ("Our mistake", "Something broke on our side, and it has been written down. Please try again in a minute."),
    503: ("Back in a moment", "Our database does not answer just now. Nothing was lost; try again in a minute."),
}  # fmt: skip


def wants_json() -> bool:
    """Whether the Accept header prefers JSON to a page."""
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def page(status: int, title: str = "", advice: str = "") -> Response:
    """The page or the JSON for one kind of failure."""
    usual = _SAID.get(status, _SAID[500 if status >= 500 else 400])
    title, advice = title or usual[0], advice or usual[1]
    menu = "token" not in (request.view_args or {})  # behind a mailed link there is none
    if wants_json():
        response = jsonify(error=title, advice=advice)
    else:
        response = make_response(render_template("error.html", status=status, title=title, advice=advice, menu=menu))
    response.status_code = status
    return headers.private(response)


def install(app: Flask) -> None:
    """Answer every failure of `app` with such a page."""

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        if error.code is None or error.code < 400:
            return make_response(error.get_response())
        own = type(error).description
        advice = error.description if error.description and error.description != own else ""
        response = page(error.code, advice=advice)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    @app.errorhandler(DBAPIError)
    @app.errorhandler(PoolTimeout)
    def database(error: Exception) -> Response:
        log.exception("the database did not answer", exc_info=error)
        response = page(503)
        response.headers["Retry-After"] = "60"
        return response

    @app.errorhandler(Exception)
    def mistake(error: Exception) -> Response:
        log.exception("a page failed", exc_info=error)
        return page(500)
