"""The weekly digest: the first comparison in full, some with figures and vote links, the rest by name; movers."""

import re
from collections.abc import Callable
from dataclasses import replace

from emails import render
from emails.digest_content import ComparisonPart, DigestContent, Quote, ToolPart
from emails.letter import OPEN, Letter, Site, mark
from emails.texts import columns, first_button, verdict_words
from emails.texts.formats import all_harmless, counted, plural, shortened

LARGEST = 100 * 1024
"""The largest HTML part in bytes, as it is sent: Gmail clips it at 102 KB, and counts nothing else."""
_ENCODED = re.compile(rb"[^ -<>-~]")
IN_FULL = 10
"""At most this many comparisons have their figures and vote links; the others are named, with a link."""

# Longer texts are cut between words; the web page shows them in full.
_NAME, _ENTRY, _TAGLINE, _QUESTION, _QUOTE = 80, 40, 90, 160, 280


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
    """Whether the HTML, encoded as quoted-printable and with its marks and largest own votes filled in, stays under the
    limit."""
    html = letter.largest().html
    raw = html.encode()
    encoded = len(raw) + 2 * len(_ENCODED.findall(raw))
    soft_breaks = 3 * (encoded // 70)
    return encoded + soft_breaks + 60 * html.count(OPEN) <= LARGEST


def _letter(content: DigestContent, site: Site, shown: int, listed: int) -> Letter:
    first, *others = content.comparisons[:shown]
    more = len(content.comparisons) - 1
    goes_on = verdict_words.preheader(first, f"Inside: {plural(more, 'more comparison')}." if more else "")
    names = first.tools[0].name, first.tools[1].name
    top = first_button.near(first_button.Top(site.name, goes_on, inside(content), names, first))
    values = {
        "content": content,
        "site": site,
        "base": site.base_url,
        "web": f"{site.base_url}/digests/{content.slot}",
        "vote": f"{site.base_url}/vote/{mark('VOTE')}",
        "mark": mark,
        "title": f"{first.heading}: {site.name}, {content.slot}",
        "masthead": top.site_name,
        "preheader": top.preheader,
        "places": {slug: place for place, slug in enumerate(content.tool_slugs)},
        "inside": top.inside,
        "top": top,
        "first": first,
        "quotes": _quotes(first),
        "names": columns.names(top.part),
        "head_height": columns.head_height(top.part),
        "last_week": content.last_week,
        "last_heading": content.last_heading,
        "others": others,
        "in_short": content.comparisons[shown:listed],
        "left_out": len(content.comparisons) - listed,
    }
    return Letter(
        kind="digest",
        subject=verdict_words.subject(first),
        preheader=top.preheader,
        html=render.html("digest", **{**values, "first": top.part}),
        text=render.text("digest", **values),
        about=content.slot,
    )


def inside(content: DigestContent) -> str:
    """Above a letter with more than three comparisons: what else is in it."""
    others = content.comparisons[1:]
    if len(others) < 3:
        return ""
    named = ", ".join(shortened(each.heading, 40) for each in others[:2])
    return f"Also inside: {named} and {counted(len(others) - 2)} more."


def _quotes(part: ComparisonPart) -> dict[str, Quote | None]:
    """One quote a tool, by its slug: one for the panel's verdict; where the panel is split, the second tool's is
    against it, so that both sides are heard."""
    return {tool.slug: _quote(tool, for_it=number == 0) for number, tool in enumerate(part.tools)}


def _quote(tool: ToolPart, *, for_it: bool) -> Quote | None:
    agrees = for_it if tool.panel.ship == tool.panel.skip else tool.panel.ship > tool.panel.skip
    return (tool.quote_for or tool.quote_against) if agrees else (tool.quote_against or tool.quote_for)


def _cut(content: DigestContent) -> DigestContent:
    comparisons = tuple(map(_cut_part, content.comparisons))
    movers = tuple(replace(each, name=shortened(each.name, _NAME)) for each in content.movers)
    last_week = _cut_part(content.last_week) if content.last_week else None
    return replace(content, comparisons=comparisons, movers=movers, last_week=last_week)


def _cut_part(part: ComparisonPart) -> ComparisonPart:
    tools = _cut_tool(part.tools[0]), _cut_tool(part.tools[1])
    return replace(part, question=shortened(part.question, _QUESTION), tools=tools)


def _cut_tool(tool: ToolPart) -> ToolPart:
    return replace(
        tool,
        name=shortened(tool.name, _NAME),
        category=shortened(tool.category, _ENTRY),
        tagline=shortened(tool.tagline, _TAGLINE),
        entry=shortened(tool.entry, _ENTRY),
        quote_for=_cut_quote(tool.quote_for),
        quote_against=_cut_quote(tool.quote_against),
    )


def _cut_quote(quote: Quote | None) -> Quote | None:
    if quote is None:
        return None
    return replace(quote, reviewer=shortened(quote.reviewer, _NAME), text=shortened(quote.text, _QUOTE))
