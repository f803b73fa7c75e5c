"""The weekly digest: the first comparison with quotes, some with figures and vote links, the rest by name; movers."""

import re
from collections.abc import Callable
from dataclasses import replace

from emails import render
from emails.digest_content import ComparisonPart, DigestContent, Quote, ToolPart
from emails.formats import all_harmless, counted, percent, shortened
from emails.letter import OPEN, Letter, Site, mark

LARGEST = 100 * 1024
"""The largest message in bytes: Gmail clips messages at 102 KB."""
_ROOM = LARGEST - 2048  # leaves room for the header
_ENCODED = re.compile(rb"[^ -<>-~]")
_LONG_HEADING = 36
IN_FULL = 10
"""At most this many comparisons have their figures and vote links; the others are named, with a link."""

# Longer texts are cut between words; the web page shows them in full.
_NAME, _LINE, _QUOTE = 120, 300, 1200


def digest(content: DigestContent, site: Site) -> Letter:
    """One slot's letter; content has at least one comparison.

    Comparisons after the first ten, and those that do not fit in 100 KiB, get a link only; any that still do not fit
    appear on the web page only.
    """
    content, site = _cut(all_harmless(content)), all_harmless(site)
    every = len(content.comparisons)
    most = min(every, IN_FULL)

    def made(shown: int, listed: int) -> Letter:
        return _letter(content, site, shown, listed)

    whole = made(most, every)
    if _fits(whole):
        return whole
    shown = _most(most - 1, lambda number: _fits(made(number, every)))
    listed = every if shown > 1 else _most(every, lambda number: _fits(made(1, number)))
    return made(shown, listed)


def _most(highest: int, fits: Callable[[int], bool]) -> int:
    """The largest number that fits, found by binary search; at least 1."""
    low, high = 1, highest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _fits(letter: Letter) -> bool:
    """Whether both bodies, encoded as quoted-printable and with their marks and largest own votes filled in, stay under
    the limit."""
    largest = letter.largest()
    both = largest.html + largest.text
    raw = both.encode()
    encoded = len(raw) + 2 * len(_ENCODED.findall(raw))
    soft_breaks = 3 * (encoded // 70)
    return encoded + soft_breaks + 60 * both.count(OPEN) <= _ROOM


def _letter(content: DigestContent, site: Site, shown: int, listed: int) -> Letter:
    first, *others = content.comparisons[:shown]
    heading = first.heading
    values = {
        "content": content,
        "site": site,
        "base": site.base_url,
        "web": f"{site.base_url}/digests/{content.slot}",
        "vote": f"{site.base_url}/vote/{mark('VOTE')}",
        "mark": mark,
        "title": f"{heading}: {site.name}, {content.slot}",
        "preheader": preheader(first),
        "first": first,
        "long": len(heading) > _LONG_HEADING,
        "others": others,
        "in_short": content.comparisons[shown:listed],
        "left_out": len(content.comparisons) - listed,
    }
    return Letter(
        kind="digest",
        subject=subject(content),
        preheader=preheader(first),
        html=render.html("digest", **values),
        text=render.text("digest", **values),
        about=content.slot,
    )


def subject(content: DigestContent) -> str:
    """The first comparison's heading, and how many more there are."""
    more = len(content.comparisons) - 1
    names = [shortened(tool.name, 50) for tool in content.comparisons[0].tools]
    rest = "" if not more else f", and {counted(more)} more"
    return f"{names[0]} vs {names[1]}{rest}"


def preheader(first: ComparisonPart) -> str:
    """The preheader with the panel's and the readers' verdict, in 20 to 150 characters."""
    names = [shortened(tool.name, 30) for tool in first.tools]
    sentences = (_panel_says(first, names), _readers_say(first, names))
    return shortened(" ".join(sentence for sentence in sentences if sentence), 150)


def _panel_says(first: ComparisonPart, names: list[str]) -> str:
    one, two = (percent(tool.panel) for tool in first.tools)
    if one is None or two is None:
        return f"{names[0]} beside {names[1]}."
    if one == two:
        return f"The panel is even on {names[0]} and {names[1]}, {one} to {two}."
    if one > two:
        return f"{names[0]} takes the panel {one} to {two}."
    return f"{names[1]} takes the panel {two} to {one}."


def _readers_say(first: ComparisonPart, names: list[str]) -> str:
    one, two = (percent(tool.community) for tool in first.tools)
    if one is None and two is None:
        return "Readers have yet to judge both: be the first."
    if one is None or two is None:
        return f"Readers have yet to judge {names[0] if one is None else names[1]}: be the first."
    if one == two:
        return f"Readers are even, {one} to {two}."
    return f"Readers prefer {names[0] if one > two else names[1]}, {max(one, two)} to {min(one, two)}."


def _cut(content: DigestContent) -> DigestContent:
    comparisons = tuple(
        replace(
            each,
            question=shortened(each.question, _LINE),
            tools=(_cut_tool(each.tools[0]), _cut_tool(each.tools[1])),
        )
        for each in content.comparisons
    )
    movers = tuple(replace(each, name=shortened(each.name, _NAME)) for each in content.movers)
    return replace(content, comparisons=comparisons, movers=movers)


def _cut_tool(tool: ToolPart) -> ToolPart:
    return replace(
        tool,
        name=shortened(tool.name, _NAME),
        category=shortened(tool.category, _NAME),
        tagline=shortened(tool.tagline, _LINE),
        entry=shortened(tool.entry, _NAME),
        quote_for=_cut_quote(tool.quote_for),
        quote_against=_cut_quote(tool.quote_against),
    )


def _cut_quote(quote: Quote | None) -> Quote | None:
    if quote is None:
        return None
    return replace(quote, reviewer=shortened(quote.reviewer, _NAME), text=shortened(quote.text, _QUOTE))
