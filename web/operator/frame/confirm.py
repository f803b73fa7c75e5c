"""Confirm pages, which say what a button will do, and the note afterwards that says what it did."""

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
    “Go back” leads; `here` is the menu's endpoint that it belongs to.
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
    """The URL if it is a page of this console, else nothing (no open redirect)."""
    return address if address and _OURS.fullmatch(address) else ""


def given() -> bool:
    """Whether the form was sent from the confirm page."""
    return request.form.get("confirmed") == "yes"


def note(*, required: bool = False) -> str | None:
    """The note from the form. Raises Refused if a required one is missing."""
    written = request.form.get("note", "").strip()[:2000]
    if required and not written:
        raise Refused("Please give a reason. It is saved in the audit log under your name.")
    return written or None


def done(message: str, to: str) -> AnyResponse:
    """Redirect to the page `to`, which shows what was done."""
    flash(message)
    return redirect(to, 303)
