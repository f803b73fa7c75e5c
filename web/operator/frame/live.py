"""Parts of a page that refresh themselves: asked for again and again, answered only when they changed."""

from flask import Response, make_response, request


def part(markup: str) -> Response:
    """The part, or 304 with nothing when it is as the browser has it."""
    response = make_response(markup)
    response.add_etag()
    conditional: Response = response.make_conditional(request)  # type: ignore[assignment]
    return conditional
