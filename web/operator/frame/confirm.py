"""Asking first: a page that says what a button will do, and the note that says what it has done."""

import re
from collections.abc import Iterable, Mapping

from flask import Response, flash, make_response, redirect, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from db.rules import Refused

Fields = Mapping[str, str | Iterable[str]]


def ask(
    title: str, sentence: str, button: str, fields: Fields | None = None, *, note: str | None = "optional",
    extra: Markup | str = "", risk: bool = False, action: str | None = None, back: str | None = None,
    here: str | None = None,
) -> Response:  # fmt: skip
    """A page with one question and one button, whose form carries `fields` and `confirmed=yes` to `action`.

    `note` is optional, required or None for no field; `extra` is further markup in the form; `back` is where
    “Leave it” leads; `here` is the menu's endpoint that it belongs to.
    """
    flat = [
        (name, one) for name, value in (fields or {}).items() for one in ([value] if isinstance(value, str) else value)
    ]
    page = render_template(
        "operator/confirm.html", page_title=title, sentence=sentence, button=button, fields=flat, note=note,
        extra=extra, risk=risk, action=action or request.path, back=ours(back) or "/operator", here=here,
    )  # fmt: skip
    return make_response(page)


_OURS = re.compile(r"/operator([/?][!-\[\]-~]*)?", re.ASCII)


def ours(address: str | None) -> str:
    """The address when it is a page of this console, else nothing: links lead nowhere that a form has named."""
    return address if address and _OURS.fullmatch(address) else ""


def given() -> bool:
    """Whether the form that came is the confirm page's."""
    return request.form.get("confirmed") == "yes"


def note(*, required: bool = False) -> str | None:
    """The note that came with the form; Refused when there must be one."""
    written = request.form.get("note", "").strip()[:2000]
    if required and not written:
        raise Refused("Please write down why: it stands in the audit log with your name.")
    return written or None


def done(message: str, to: str) -> AnyResponse:
    """Back to the page `to`, which says what was done."""
    flash(message)
    return redirect(to, 303)
