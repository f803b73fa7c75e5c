"""The confirmation email of double opt-in; nothing else is sent until its link is used."""

from emails import render
from emails.formats import all_harmless
from emails.letter import Letter, Site, mark


def confirm(site: Site) -> Letter:
    """The same letter for every sign-up; the mark CONFIRM holds the link."""
    site = all_harmless(site)
    subject = f"Confirm your subscription to {site.name}"
    preheader = "One press on a page confirms it. If it was not you, do nothing."
    values = {"site": site, "base": site.base_url, "mark": mark, "title": subject, "preheader": preheader}
    html, text = render.html("confirm", **values), render.text("confirm", **values)
    return Letter("confirm", subject, preheader, html, text)
