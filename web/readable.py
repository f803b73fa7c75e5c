"""Makes of what a client sent something that every page can read, before any page looks at it."""

from urllib.parse import quote_from_bytes

from flask import Flask, request

_ASCII = "".join(map(chr, range(33, 127)))


def install(app: Flask) -> None:
    """Percent-encode the bytes of a query that stand in it raw; werkzeug fails at those that are no UTF-8."""

    @app.before_request
    def mend_query() -> None:
        if not request.query_string.isascii():
            request.query_string = quote_from_bytes(request.query_string, safe=_ASCII).encode()
