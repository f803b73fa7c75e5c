"""The words of an HTML part, in lines."""

import html
import re

_BREAK = re.compile(r"<(?:br|/?p|/?div|/?tr|/?li|/?h\d|/?table|hr|/td|/?blockquote|/?pre)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[/!?a-zA-Z][^<>]*>")


def text_of(markup: str) -> str:
    """The text without tags, styles and scripts."""
    for name in ("style", "script", "head"):
        markup = _without(markup, name)
    markup = re.sub(r"[ \t\r\n]+", " ", markup)
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", markup))).replace("\xa0", " ")


def _without(markup: str, name: str) -> str:
    """The markup without that element; one that is never closed is cut to the end."""
    kept, at, lower = [], 0, markup.lower()
    if len(lower) != len(markup):
        return markup
    while (start := lower.find(f"<{name}", at)) >= 0:
        kept.append(markup[at:start])
        end = lower.find(f"</{name}", start)
        if end < 0:
            return "".join(kept)
        at = end
    return "".join([*kept, markup[at:]])
