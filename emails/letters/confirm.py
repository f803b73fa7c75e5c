"""The letter that asks whether a sign-up was meant; nothing else is sent until it is answered."""

from emails import render
from emails.formats import all_harmless
from emails.letter import Letter, Site, mark


def confirm(site: Site) -> Letter:
    """One letter for every sign-up; its link stands in the mark CONFIRM."""
    site = all_harmless(site)
    subject = f"Confirm your subscription to {site.name}"
    preheader = "One press on a page confirms it. If it was not you, do nothing."
    values = {"site": site, "base": site.base_url, "mark": mark, "title": subject, "preheader": preheader}
    html, text = render.html("confirm", **values), render.text("confirm", **values)
    return Letter("confirm", subject, preheader, html, text)
