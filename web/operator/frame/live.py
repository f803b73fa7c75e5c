"""Live parts of pages: polled, and answered with 304 unless they changed (ETag)."""

from flask import Response, make_response, request


def part(markup: str) -> Response:
    """The part, or 304 when the browser already has it."""
    response = make_response(markup)
    response.add_etag()
    conditional: Response = response.make_conditional(request)  # type: ignore[assignment]
    return conditional
