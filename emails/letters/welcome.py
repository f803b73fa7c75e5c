"""The welcome email after confirming: what comes and how often, the latest digest, and a question to answer."""

from emails import render
from emails.digest_content import DigestContent
from emails.letter import Letter, Site, mark
from emails.texts.formats import all_harmless, harmless, plural, shortened, weekday


def welcome(
    site: Site, when: str = "Once a week", latest: DigestContent | None = None, address: str | None = None
) -> Letter:
    """The letter for a new subscriber. `when` says how often the newsletter comes, as the start of a sentence, such as
    `Every Tuesday at 09:00`; `latest` is the last digest that went out, and `address` the one that letters come
    from."""
    site, base = all_harmless(site), site.base_url
    subject = f"Welcome to {site.name}"
    preheader = "What you get and how often, and a question for you."
    values = {
        "site": site,
        "base": base,
        "mark": mark,
        "title": subject,
        "preheader": preheader,
        "when": harmless(when),
        "address": address,
        "latest": _inside(all_harmless(latest)) if latest else None,
        "day": weekday(latest.cutoff) if latest else None,
        "first_page": f"{base}/digests/{latest.slot}" if latest else f"{base}/",
        "first_words": "Read the latest letter" if latest else "Read the latest comparisons",
    }
    html, text = render.html("welcome", **values), render.text("welcome", **values)
    return Letter("welcome", subject, preheader, html, text)


def _inside(content: DigestContent) -> str:
    """Larkspur vs Second Pair, and two more comparisons."""
    more = len(content.comparisons) - 1
    first = shortened(content.comparisons[0].heading, 120)
    return f"{first}, and {plural(more, 'more comparison')}." if more else f"{first}."
