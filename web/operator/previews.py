"""Previews of a digest's letter: desktop, phone, dark mode, plain text, headers and size."""

import re
from contextlib import suppress
from email import message_from_bytes, policy

from flask import Response, make_response, render_template, request, url_for
from markupsafe import Markup

from db import moments
from db.rules import Refused
from emails.letters import Letter
from emails.letters.digest import LARGEST
from web.operator.frame.access import allowed, blueprint
from worker.digests import digest_previews
from worker.letters import letter_checks
from worker.letters.composing import sample

VIEWS = ("desktop", "phone", "dark", "text", "headers")
# CSP: the letter may not run scripts, load, submit or link; only inline styles apply, and only our pages frame it.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)


@blueprint.get("/digests/<slot>/preview")
@allowed("viewer")
def preview(slot: str) -> str:
    asked = request.args.get("view", "")
    view = asked if asked in VIEWS else VIEWS[0]
    letter, raw = _made(slot)
    head, _, _ = raw.partition(b"\r\n\r\n")
    size = len(_part(raw, "html").encode())
    tabs = [(name, url_for("operator.preview", slot=slot, view=name), name == view) for name in VIEWS]
    return render_template(
        "operator/preview.html", page_title=f"The letter of {slot}", here="operator.digests", slot=slot, view=view,
        tabs=tabs, letter=letter, size=size, largest=LARGEST, headers=head.decode("ascii", "replace"),
        text=_part(raw, "plain"), faults=letter_checks.faults(letter),
    )  # fmt: skip


@blueprint.get("/digests/<slot>/letter")
@allowed("viewer")
def preview_letter(slot: str) -> Response:
    """The letter's own HTML, for the frame of the preview."""
    _, raw = _made(slot)
    response = make_response(coloured(_part(raw, "html"), dark=request.args.get("view") == "dark"))
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def faults_before_sending(slot: str) -> Markup:
    """What is wrong with the letter that would be sent, for a confirm page; nothing if there is none to look at."""
    with suppress(Refused):
        if found := letter_checks.faults(digest_previews.draft_letter(slot, moments.now())):
            return Markup(render_template("operator/letter_faults.html", slot=slot, faults=found))
    return Markup()


def _made(slot: str) -> tuple[Letter, bytes]:
    letter = digest_previews.draft_letter(slot, moments.now())
    return letter, sample(letter)


def _part(raw: bytes, kind: str) -> str:
    body = message_from_bytes(raw, policy=policy.default).get_body((kind,))
    return str(body.get_content()) if body else ""


_DARK = re.compile(r"@media\s*\(\s*prefers-color-scheme:\s*dark\s*\)")
_SCHEME = re.compile(r"(?<!-)\bcolor-scheme:\s*light dark")


def coloured(html: str, dark: bool) -> str:
    """The letter in one colour scheme, whatever the browser prefers.

    The letter keeps its dark colours as classes under `@media (prefers-color-scheme: dark)`. No page can set a
    frame's preference, so that condition itself is replaced: by one that always holds, or by one that never does.
    """
    html = _DARK.sub("@media all" if dark else "@media not all", html)
    return _SCHEME.sub(f"color-scheme: {'dark' if dark else 'light'}", html)
