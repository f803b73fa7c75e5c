"""Answers a request for a page: from what is kept if it can, with the reader's own votes in it, and with its ETag."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, current_app, request

from db import moments
from db.session import reading
from db.votes import tallies
from web import visitor
from web.readers import kept, negotiation, outbox, watch
from web.readers.kept import Copy, Known, Store
from web.readers.negotiation import Coding, compressed
from web.readers.places import Pieces

_STATUS = {200: "200 OK", 304: "304 NOT MODIFIED"}
View = Callable[..., Pieces]


def install(app: Flask) -> None:
    """Keep the pages of `app`, and answer from them before Flask begins."""
    store = app.extensions["kept pages"] = Store()
    app.before_request(watch.start_after_fork)
    app.wsgi_app = _before_flask(app.wsgi_app, store)  # type: ignore[method-assign, assignment]


def store_of(app: Flask) -> Store:
    store = app.extensions["kept pages"]
    assert isinstance(store, Store)
    return store


class _Asked:
    """A request's headers in WSGI's environment, where those on several lines are joined already."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._environ = environ

    def get(self, name: str) -> str | None:
        found: str | None = self._environ.get("HTTP_" + name.upper().replace("-", "_"))
        return found


def _before_flask(app: WSGIApplication, store: Store) -> WSGIApplication:
    def answered(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return app(environ, start)
        line = environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        found = store.find(*line, _Asked(environ), here=outbox.is_shown_to(environ))
        if found is None:
            return app(environ, start)
        start(_STATUS[found.status], found.headers)
        return [found.body]

    return answered


# ---- what Flask answers ------------------------------------------------------------------------------------


def kept_page(view: View) -> Callable[..., Response]:
    """A view whose page is kept: it is called only where no copy is, and its reader's votes are put in afterwards."""

    @wraps(view)
    def answered(**values: Any) -> Response:
        store = store_of(current_app)
        known = store.known  # before the first question, so that no older page is kept under a newer version
        voter = visitor.voter()
        coding = negotiation.coding(request.headers.get("Accept-Encoding"))
        key = kept.key_of(request.path, request.query_string.decode("latin-1"), outbox.is_shown())
        etag = kept.etag_of(known, key, coding) if known and key else None
        if etag and voter is None and _has(etag):
            return _response(b"", etag, coding)
        copy = _copy(store, known, key, view, values)
        if voter is not None and copy.pieces.tools:
            with reading() as session:
                own = tallies.own_figures(session, copy.pieces.tools, voter)
            if own:
                return _own(copy.pieces.with_votes(own), coding)
        return _response(copy.body(coding), etag or kept.tag(kept.print_of(copy.plain), coding), coding)

    return answered


def _copy(store: Store, known: Known | None, key: str | None, view: View, values: dict[str, Any]) -> Copy:
    if known is None or key is None:
        return Copy.of(view(**values))
    found = store.get_older(known, key)
    if found is None or found.version != known.version:
        found = Copy.of(_with_new_figures(found.pieces) if found else view(**values))
        store.keep(known, key, found)
    return found


def _with_new_figures(pieces: Pieces) -> Pieces:
    """The page after a fold, which changes nothing but its figures."""
    if not pieces.tools:
        return pieces
    with reading() as session:
        return pieces.with_figures(tallies.shown(session, sorted(pieces.tools), moments.now().date(), 0)[0])


def _has(etag: str) -> bool:
    """Whether the reader has this very page of the version that stands: then nobody needs to look what it would be."""
    asked = request.headers.get("If-None-Match")
    return asked is not None and asked.strip() != "*" and negotiation.has(asked, etag)


def _own(page: bytes, coding: Coding) -> Response:
    """A page with its reader's votes. It holds no token and no text of the request, so it may be compressed."""
    body = compressed(page, level=1) if coding == "gzip" else page
    return _response(body, kept.tag(f"own-{kept.print_of(page)}", coding), coding)


def _response(body: bytes, etag: str, coding: Coding) -> Response:
    """A reader with votes sends a cookie, so their page is private as the pages of all who send one."""
    told = kept.headers_of(private="Cookie" in request.headers)
    found = negotiation.answered("GET", request.headers, etag, coding, body, told)
    return Response(found.body, found.status, found.headers)
