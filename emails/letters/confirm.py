"""The confirmation email of double opt-in, and its one reminder; nothing else is sent until their link is used."""

from emails import render
from emails.letter import Letter, Site, mark
from emails.texts.formats import all_harmless

_NOTE = "The {} opens a page with one {}button; press that to confirm. It works for 14 days"


def confirm(site: Site) -> Letter:
    """The same letter for every sign-up; the mark CONFIRM holds the link."""
    return _asking(
        site, "confirm", f"Confirm your subscription to {site.name}", "Confirm your subscription",
        preheader="Please confirm that you want our letter. If it wasn’t you, do nothing.",
        before="You asked for", after=": one letter a week that compares new AI tools, with everybody’s verdict.",
        note=f"{_NOTE}.",
        not_you="If it wasn’t you, do nothing: we’ll remind you once, and then we won’t email you again.",
    )  # fmt: skip


def reminder(site: Site) -> Letter:
    """The one reminder of a sign-up that was not confirmed, with the same link."""
    return _asking(
        site, "reminder", f"Still want {site.name}?", "You haven’t confirmed yet",
        preheader="You asked for our letter. Please confirm that you want it; this is the only reminder.",
        before="Some days ago you asked for", after=", and we may send it only once you confirm.",
        note=f"{_NOTE} after you asked.",
        not_you="If it wasn’t you, or you changed your mind, do nothing: we won’t email you again.",
    )  # fmt: skip


def _asking(site: Site, kind: str, subject: str, heading: str, preheader: str, **said: str) -> Letter:
    site = all_harmless(site)
    values = {"site": site, "base": site.base_url, "mark": mark, "title": subject, "heading": heading, **said}
    values["preheader"] = preheader
    values["note"], values["note_in_text"] = said["note"].format("button", "more "), said["note"].format("link", "")
    html, text = render.html("confirm", **values), render.text("confirm", **values)
    return Letter(kind, subject, preheader, html, text)
