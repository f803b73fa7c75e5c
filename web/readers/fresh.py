"""A page that is not kept as it has to be sent: it is made now, or gets new figures or its reader's votes."""

from collections.abc import Callable
from wsgiref.types import WSGIEnvironment

from flask import g

from db import moments
from db.driver import driver_reading
from db.votes import tallies
from web import visitor
from web.readers import kept, negotiation, outbox
from web.readers.kept import Copy, Known, Store
from web.readers.negotiation import Asked, Coding, KeptAnswer, compressed
from web.readers.places import Pieces

Make = Callable[[], Pieces]


class InEnviron:
    """A request's headers in WSGI's environment, where those on several lines are joined already."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._environ = environ

    def get(self, name: str) -> str | None:
        found: str | None = self._environ.get("HTTP_" + name.upper().replace("-", "_"))
        return found


def line_of(environ: WSGIEnvironment) -> tuple[str, str, str]:
    """The request's method, path and query."""
    return environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")


def answer(store: Store, environ: WSGIEnvironment, make: Make) -> KeptAnswer:
    """The answer to this request; `make` renders the page and needs Flask's application context."""
    known = store.known  # before the first question, so that no older page is kept under a newer version
    method, path, query = line_of(environ)
    asked = InEnviron(environ)
    g.outbox_is_shown = outbox.is_shown_to(environ)
    voter = visitor.voter_of(visitor.cookies_of(environ))
    coding = negotiation.coding(asked.get("accept-encoding"))
    key = kept.key_of(path, query, g.outbox_is_shown)
    etag = kept.etag_of(known, key, coding) if known and key else None
    told = kept.headers_of(private=asked.get("cookie") is not None)  # with votes or without
    if etag and voter is None and _has(asked, etag):
        return negotiation.answered(method, asked, etag, coding, b"", told)
    copy = _copy(store, known, key, make)
    if voter is not None and copy.pieces.tools:
        with driver_reading() as driver:
            own = tallies.own_figures(driver, copy.pieces.tools, voter)
        if own:
            page = copy.pieces.with_votes(own)
            return negotiation.answered(method, asked, _print_of(page, coding), coding, _packed(page, coding), told)
    etag = etag or kept.tag(kept.print_of(copy.plain), coding)
    return negotiation.answered(method, asked, etag, coding, copy.body(coding), told)


def _print_of(page: bytes, coding: Coding) -> str:
    return kept.tag(f"own-{kept.print_of(page)}", coding)


def _packed(page: bytes, coding: Coding) -> bytes:
    """A page with its reader's votes. It holds no token and no text of the request, so it may be compressed."""
    return compressed(page, level=1) if coding == "gzip" else page


def _has(asked: Asked, etag: str) -> bool:
    """Whether the reader has this very page of the version that stands: then nobody needs to look what it would be."""
    given = asked.get("if-none-match")
    return given is not None and given.strip() != "*" and negotiation.has(given, etag)


def _copy(store: Store, known: Known | None, key: str | None, make: Make) -> Copy:
    if known is None or key is None:
        return Copy.of(make())
    found = store.get_older(known, key)
    if found is None or found.version != known.version:
        found = Copy.of(_with_new_figures(found.pieces) if found else make())
        store.keep(known, key, found)
    return found


def _with_new_figures(pieces: Pieces) -> Pieces:
    """The page after a fold, which changes nothing but its figures."""
    if not pieces.tools:
        return pieces
    with driver_reading() as driver:
        return pieces.with_figures(tallies.shown(driver, sorted(pieces.tools), moments.now().date(), 0)[0])
