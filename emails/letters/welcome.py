"""The welcome email after confirming: what comes, how often, and how to unsubscribe."""

from emails import render
from emails.formats import all_harmless, harmless
from emails.letter import Letter, Site, mark


def welcome(site: Site, when: str = "Once a week") -> Letter:
    """The letter for a new subscriber. `when` says how often the newsletter comes, as the start of a sentence, such as
    `Every Tuesday at 09:00`."""
    site = all_harmless(site)
    subject = f"Welcome to {site.name}"
    preheader = "What comes to you, how often, and how to leave again."
    values = {
        "site": site,
        "base": site.base_url,
        "mark": mark,
        "title": subject,
        "preheader": preheader,
        "when": harmless(when),
    }
    html, text = render.html("welcome", **values), render.text("welcome", **values)
    return Letter("welcome", subject, preheader, html, text)
