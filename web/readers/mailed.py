"""A page behind a mailed link: what is so now, one question, and one button for its one action."""

from typing import Any

from flask import Response, make_response, render_template

from web import headers


def page(status: int = 200, **said: Any) -> Response:
    """The page with its title, sentences and button, as `mailed.html` names them."""
    said.setdefault("sentences", ())
    return headers.private(make_response(render_template("mailed.html", **said), status))


def bad_link(what: str) -> Response:
    """For a token that is cut, forged, or made for another purpose."""
    return page(
        404,
        what=what,
        title="This link is not whole",
        problem="We cannot read it, so nothing was done. Mail programs sometimes cut long links: "
        "open the letter again and press its link, or copy the whole of it.",
        onward="/",
        onward_words="To the latest comparison",
    )
