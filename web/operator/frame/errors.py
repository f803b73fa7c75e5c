"""The console's error pages, in its own layout, with a link back."""

import structlog
from flask import Response, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from db.errors import DataError
from db.rules import BadAddress, Refused
from web.operator.frame import confirm
from web.operator.frame.access import blueprint

log = structlog.get_logger("console")

_TITLES = {400: "That was not whole", 401: "You are signed out", 403: "This is not open to you",
           404: "Nothing stands here", 405: "Not this way", 413: "That was too much"}  # fmt: skip
_STALE = "This page was opened before you signed in or out, so nothing was done. Open it again and press once more."


@blueprint.errorhandler(Refused)
@blueprint.errorhandler(BadAddress)
def refused(error: ValueError) -> Response:
    """Handles a Refused that a view did not catch."""
    return page(409, "This cannot be done now", str(error), request.form.get("back", request.path))


@blueprint.errorhandler(HTTPException)
def http(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        return make_response(error.get_response())
    advice = _STALE if isinstance(error, CSRFError) else error.description or ""
    return page(error.code, _TITLES.get(error.code, "This cannot be done now"), advice)


@blueprint.errorhandler(DataError)
@blueprint.errorhandler(OverflowError)
def out_of_range(error: Exception) -> Response:
    """Handles a number or a date that is out of the database's range."""
    log.warning("out of range", error=str(error))
    return page(
        400, _TITLES[400], "A number or a date in it is out of range, so nothing was done. Mend it and try again."
    )


def page(status: int, title: str, advice: str, back: str = "") -> Response:
    """The error page; `back` is its link, a page of this console."""
    return make_response(
        render_template("operator/error.html", status=status, title=title, advice=advice, back=confirm.ours(back)),
        status,
    )
