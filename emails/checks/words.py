"""What a letter has to say in both parts: why it comes, how to leave, from whom it is; and how it begins."""

import re
from collections.abc import Iterator

from emails.checks.dom import Element
from emails.checks.seen import UNLESS_MEANT, Fault, Seen

FILLER = frozenset("\u034f\u200c\u200b\u00a0\u00ad\ufeff\u2007")
"""Characters that show nothing: they keep mail apps from showing the letter's start beside its preheader."""


def foot(seen: Seen) -> Iterator[Fault]:
    """Row 14. (The preferences link comes with its page.)"""
    page, text = " ".join(seen.page.root.words.split()), " ".join(seen.text.split())
    for part, words, links in (("HTML", page, seen.links), ("text", text, seen.text_links)):
        if seen.case.is_list and not _unsubscribes(words, links):
            yield Fault(f"The {part} part has no visible way to unsubscribe.")
        if seen.case.is_digest and not any("/digests/" in link for link in links):
            yield Fault(f"The {part} part has no link to the letter on the web.")
        if not re.search(r"\bbecause\b", words):
            yield Fault(f"The {part} part does not say why the reader gets it.")
        if seen.case.postal_address and " ".join(seen.case.postal_address.split()) not in words:
            yield Fault(f"The {part} part does not have your postal address.")
    if not seen.case.postal_address:
        advice = "Set MAIL_POSTAL_ADDRESS."
        yield Fault("The letter has no postal address, which many countries’ laws ask for.", advice, "warning")


def _unsubscribes(words: str, links: list[str]) -> bool:
    said = re.sub(r"https?://\S+", "", words).lower()
    return "unsubscribe" in said and any("/unsubscribe/" in link for link in links)


def preheader(seen: Seen) -> Iterator[Fault]:
    """Row 15. (That it can be read is row 12's.)"""
    found = list(_texts(seen.page.root))
    begins = next((at for at, (element, text) in enumerate(found) if text.strip()), 0)
    first, *after = found[begins:] or [(seen.page.root, "")]
    if "preheader" not in first[0].classes:
        yield Fault("The letter does not begin with its preheader.")
        return
    length = len(" ".join(first[1].split()))
    if not 20 <= length <= 150:
        yield Fault(f"The preheader has {length} characters; 20 to 150 show beside the subject.")
    follows = "".join(text for _, text in after)
    if len(follows) - len(follows.lstrip("".join(FILLER) + " \n\t")) < 40:
        yield Fault("No filler follows the preheader, so mail apps show the letter’s start beside it.")


def _texts(element: Element) -> Iterator[tuple[Element, str]]:
    for child in element.children:
        if isinstance(child, str):
            yield element, child
        elif child.tag not in ("head", "style", "script"):
            yield from _texts(child)


def text_alone(seen: Seen) -> Iterator[Fault]:
    """Row 17, and no bare link ends in a character that mail apps leave out when they make a link of it."""
    if not seen.text.strip():
        yield Fault("The text part is empty.")
    missing = {link for link in seen.links if link.startswith("http")} - set(seen.text_links)
    if missing:
        yield Fault(f"The text part leaves out a link of the HTML part: {min(missing)[:200]!r}.")
    yield from _cut_links(seen)
    if found := _MARKUP.search(seen.text) or _ENTITY.search(seen.text):
        is_shown = found[0] in seen.page.root.words  # then both parts say it: it is somebody's words
        told = f"The text part has {found[0]!r} in it, as the source of a web page does."
        yield Fault(told, UNLESS_MEANT, "warning") if is_shown else Fault(told)


_MARKUP = re.compile(r"</?(?:a|p|td|div|span|br|bdi)\b")
_ENTITY = re.compile(r"&(?:#\d+|[a-z]+);")
_LEFT_OUT = "-_"
_STOPS = ".,;:!?)>]'\""


def _cut_links(seen: Seen) -> Iterator[Fault]:
    """Our own links end in a letter or a digit. Of others' a full stop behind them is none of theirs."""
    told = "Mail apps would cut the last character off a link in the text part: {!r}."
    ours = seen.case.identity.base_url
    if cut := [link for link in seen.text_links if link.startswith(ours) and link[-1] in _LEFT_OUT + _STOPS]:
        yield Fault(told.format(cut[0][:200]))
    theirs = (link.rstrip(_STOPS) for link in seen.text_links if not link.startswith(ours))
    if cut := [link for link in theirs if link[-1] in _LEFT_OUT]:
        advice = "Write the link so that it ends in a letter, a digit or a slash."
        yield Fault(told.format(cut[0][:200]), advice, "warning")
