"""What mail apps, screen readers and small screens ask of a letter's HTML."""

import re
from collections.abc import Iterator

from emails.checks import colours, css
from emails.checks.lists import HTTPS
from emails.checks.seen import UNLESS_MEANT, Fault, Seen, parts

LARGEST = 100 * 1024
"""Gmail cuts a letter whose HTML is larger than 102 KB."""
_ACTING = ("script", "form", "iframe", "base", "object", "embed", "input", "button", "link", "svg", "video", "audio")
_LEFT_OVER = re.compile(r"\{\{|\}\}|\{%|%\}|\{~|~\}|\bUndefined\b|<mj-|\bNone\b(?= (?:ship|skip|votes|reviews)|%)")
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_NARROWEST = 328  # 360 px less the margins
_FIXED = re.compile(r"(?<![-\w])(?:min-)?width:\s*(\d+)px")


def size(seen: Seen) -> Iterator[Fault]:
    """Row 11."""
    part = seen.message.get_body(("html",))
    encoded = len(str(part.get_payload()).encode()) if part else 0
    if max(len(seen.html.encode()), encoded) > LARGEST:
        yield Fault("The HTML part is larger than 100 KiB, and Gmail would cut it.")


def readable(seen: Seen) -> Iterator[Fault]:
    """Row 12. (How it lies at 360 px is also looked at in a browser.)"""
    page = seen.page
    if not any(each.attributes.get("lang") for each in page.all("html")):
        yield Fault("The HTML does not name its language.")
    if not any(str(child).strip() for each in page.all("title") for child in each.children):
        yield Fault("The HTML has no title.")
    if len(page.all("h1")) != 1:
        yield Fault(f"The HTML has {len(page.all('h1'))} main headings, and should have one.")
    if any("alt" not in each.attributes for each in page.all("img")):
        yield Fault("An image has no alt text.")
    if any(each.attributes.get("role") != "presentation" for each in page.all("table")):
        yield Fault("A table for layout does not say role=presentation.")
    for each in page.all():
        widths = [each.attributes.get("width", ""), *_FIXED.findall(each.attributes.get("style", ""))]
        if any(width.isdigit() and int(width) > _NARROWEST for width in widths):
            yield Fault(f"<{each.tag}> is wider than a phone’s screen.")
            break
    yield from colours.faults(page)


def harmless(seen: Seen) -> Iterator[Fault]:
    """Row 13."""
    for each in seen.page.all():
        if each.tag in _ACTING or any(name.startswith("on") for name in each.attributes):
            yield Fault(f"<{each.tag}> acts or loads something, which mail apps refuse.")
            break
    for link in seen.page.all("a"):
        yield from _link(link.attributes.get("href", ""), link.words)
    bodies = seen.only("subject"), seen.html, seen.text
    if found := next(filter(None, map(_LEFT_OVER.search, bodies)), None):
        told = f"The letter has {found[0]!r} in it, which may be left over from a template."
        yield Fault(told, UNLESS_MEANT, "warning")


def _link(target: str, words: str) -> Iterator[Fault]:
    at = parts(target)
    if at.scheme == "http":
        yield Fault("A link leads to http, which mail apps warn of.", HTTPS, "warning")
    elif not (at.scheme == "https" and at.netloc) and at.scheme != "mailto":
        yield Fault(f"A link is neither https nor mailto: {target[:100]!r}.")
    if (shown := _URL.search(words)) and shown[0].rstrip("/") != target.rstrip("/"):
        told = f"A link’s words are another address, {shown[0][:60]}, which filters take for phishing."
        yield Fault(told, "Give the tool or comparison a name that is no address.", "warning")


def dark(seen: Seen) -> Iterator[Fault]:
    """Row 16."""
    names = [each.attributes.get("name") for each in seen.page.all("meta")]
    for name in ("color-scheme", "supported-color-schemes"):
        if names.count(name) != 1:
            yield Fault(f"The HTML has no meta {name}, so mail apps guess its dark colours.")
    if not any(rule.media and "prefers-color-scheme: dark" in rule.media for rule in css.rules(seen.page.styles)):
        yield Fault("The HTML has no style for dark mode.")


def valid(seen: Seen) -> Iterator[Fault]:
    """Row 18."""
    if not seen.html.lstrip().lower().startswith("<!doctype html>"):
        yield Fault("The HTML has no doctype.")
    if seen.page.mistakes:
        yield Fault(f"The HTML is not valid: {seen.page.mistakes[0]}.")
    used = {name for each in seen.page.all() for name in css.declarations(each.attributes.get("style", ""))}
    used |= {name for rule in css.rules(seen.page.styles) for name in rule.declared}
    if strange := sorted(used - css.KNOWN):
        yield Fault(f"The HTML uses {strange[0]}, which mail apps may not know.")
