"""Answers a request for a page: from what is kept if it can, with the reader's own votes in it, and with its ETag.

A page that has to be made, or gets its reader's votes, is answered before Flask begins as well: Flask's hooks and
responses would take as long as most of these. Flask answers what is out of the ordinary, and says what went wrong.
"""

from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from web import bulkhead, origins, visitor
from web.readers import fresh, outbox, watch
from web.readers.fresh import InEnviron, Make, line_of
from web.readers.kept import Store
from web.readers.negotiation import KeptAnswer
from web.readers.places import Pieces

_STATUS = {200: "200 OK", 304: "304 NOT MODIFIED"}
_FAILED = "verdicts.failed"
"""What went wrong before Flask began, in WSGI's environment."""
View = Callable[..., Pieces]
_views: dict[Callable[..., Any], tuple[View, tuple[str, ...]]] = {}
"""By what Flask calls: the views whose pages are kept, with the parameters of the query that they take."""


def install(app: Flask) -> None:
    """Keep the pages of `app`, and answer from them before Flask begins."""
    store = app.extensions["kept pages"] = Store()
    app.before_request(watch.start_after_fork)
    app.before_request(_say_what_failed)
    app.wsgi_app = _before_flask(app, app.wsgi_app, store)  # type: ignore[method-assign, assignment]


def store_of(app: Flask) -> Store:
    store = app.extensions["kept pages"]
    assert isinstance(store, Store)
    return store


def kept_page(*parameters: str) -> Callable[[View], Callable[..., Response]]:
    """A view whose page is kept: it is called only where no copy is, and its reader's votes are put in afterwards. It
    takes these parameters of the query; it is called without a request, and must not look at one."""

    def decorated(view: View) -> Callable[..., Response]:
        @wraps(view)
        def answered(**values: Any) -> Response:
            query = request.query_string.decode("latin-1")
            make = partial(view, **values, **_given(parameters, query))
            found = fresh.answer(store_of(current_app), request.environ, make)
            return Response(found.body, found.status, found.headers)

        _views[answered] = view, parameters
        return answered

    return decorated


def _given(parameters: tuple[str, ...], query: str) -> dict[str, str]:
    """The first value of each, as Flask reads a query."""
    return {name: value for name, value in reversed(parse_qsl(query, True)) if name in parameters} if parameters else {}


# ---- before Flask --------------------------------------------------------------------------------------------


def _before_flask(app: Flask, flask: WSGIApplication, store: Store) -> WSGIApplication:
    urls = app.url_map.bind("")

    def view_of(path: str, query: str) -> Make | None:
        try:
            endpoint, values = urls.match(path, "GET")
        except HTTPException:
            return None
        view, parameters = _views.get(app.view_functions[endpoint], (None, ()))
        return partial(view, **values, **_given(parameters, query)) if view else None

    def made(environ: WSGIEnvironment, path: str, query: str) -> KeptAnswer | None:
        """The answer with a page that is made now; None where Flask has to look at more than this."""
        host = environ.get("HTTP_HOST")
        if not (store.known and host and origins.answers_to(host) and path.isascii() and query.isascii()):
            return None
        make = view_of(path, query)
        if make is None or visitor.is_owed_a_name(visitor.cookies_of(environ)):
            return None
        try:
            with bulkhead.asks_at_once(app) as may_ask, app.app_context():
                return fresh.answer(store, environ, make) if may_ask else None
        except Exception as error:
            environ[_FAILED] = error
            return None

    def answered(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        method, path, query = line_of(environ)
        if method not in ("GET", "HEAD"):
            return flask(environ, start)
        found = store.find(method, path, query, InEnviron(environ), here=outbox.is_shown_to(environ))
        found = found or made(environ, path, query)
        if found is None:
            return flask(environ, start)
        start(_STATUS[found.status], found.headers)
        return [found.body]

    return answered


def _say_what_failed() -> None:
    """Let Flask's error handlers answer and log what went wrong before."""
    if error := request.environ.get(_FAILED):
        raise error
