"""The alert to operators: something needs attention. It never names a reader."""

from datetime import datetime

from emails import render
from emails.formats import all_harmless, harmless, shortened
from emails.letter import Letter, Site


def alert(site: Site, title: str, told: tuple[str, ...], since: datetime, link: str) -> Letter:
    """One alert: what it is, since when, what to do in a few sentences, and the console's page for it (a path)."""
    site, title, told = all_harmless(site), shortened(harmless(title), 150), all_harmless(told)
    subject = f"[{shortened(site.name, 40)}] {title}"
    preheader = "Something needs you. You are told once, until it is over."
    values = {
        "site": site,
        "base": site.base_url,
        "title": title,
        "long": len(title) > 36,
        "preheader": preheader,
        "told": told,
        "since": since,
        "page": f"{site.base_url}{link}",
    }
    return Letter("alert", subject, preheader, render.html("alert", **values), render.text("alert", **values))
