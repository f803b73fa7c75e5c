"""The alert to operators: something needs attention, and which command helps. It never names a reader."""

import re
from datetime import datetime

from emails import render
from emails.letter import Letter, Site
from emails.texts.formats import all_harmless, harmless, shortened

_COMMAND = re.compile(r"([^“”]*): (verdicts [a-z][^“”]*)")
"""Our own words: others' stand in quotation marks."""


def alert(site: Site, title: str, told: tuple[str, ...], since: datetime, link: str) -> Letter:
    """One alert: what it is, since when, what to do in a few sentences, and the console's page for it (a path). A
    sentence may end in a command, as `Start it again: verdicts up`; it gets a line of its own."""
    site, title, told = all_harmless(site), shortened(harmless(title), 150), all_harmless(told)
    subject = f"[{shortened(site.name, 40)}] {title}"
    preheader = "Something needs you. We email you once while it lasts."
    values = {
        "site": site,
        "base": site.base_url,
        "title": title,
        "long": len(title) > 36,
        "preheader": preheader,
        "told": tuple(map(_split, told)),
        "since": since,
        "page": f"{site.base_url}{link}",
    }
    return Letter("alert", subject, preheader, render.html("alert", **values), render.text("alert", **values))


def _split(sentence: str) -> tuple[str, str]:
    """The sentence and its command, if it ends in one."""
    found = _COMMAND.fullmatch(sentence)
    return (f"{found[1]}:", found[2]) if found else (sentence, "")
