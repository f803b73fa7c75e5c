"""The page behind a link in an email: the current state, one question, and one button for the one action."""

from typing import Any

from flask import Response, make_response, render_template

from db.settings import settings
from emails import links
from emails.links import Purpose, Signed
from web import headers


def read(purpose: Purpose, path: str) -> tuple[str, Signed]:
    """The token in the path of a link, without what mail programs added to it, and what it says. Raises BadLink."""
    token = links.token_in(settings().keys, purpose, path)
    return token, links.read(settings().keys, purpose, token)


def page(status: int = 200, **said: Any) -> Response:
    """The page with its title, sentences and button, as `mailed.html` names them."""
    said.setdefault("sentences", ())
    return headers.private(make_response(render_template("mailed.html", **said), status))


def of_test(what: str, does: str) -> Response:
    """The answer to a link from a test or a preview of a letter: 200, also for a mail program's one-click POST."""
    return page(
        what=what,
        title="This was a test",
        note="Nothing was changed.",
        sentences=[f"You opened a link from a test or a preview of an email. In a reader’s own email, it {does}."],
        onward="/",
        onward_words="See the latest comparison",
    )


def bad_link(what: str) -> Response:
    """The answer to a token that is cut off, forged, or made for another purpose."""
    return page(
        404,
        what=what,
        title="This link is incomplete",
        problem="We couldn’t read it, so nothing was changed. Email apps sometimes cut long links: "
        "open the email again and use its link, or copy the whole link.",
        onward="/",
        onward_words="See the latest comparison",
    )
