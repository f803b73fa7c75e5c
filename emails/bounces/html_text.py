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
    kept, at, closing = [], 0, re.compile(rf"</{name}\b", re.IGNORECASE)
    for opening in re.finditer(rf"<{name}\b", markup, re.IGNORECASE):
        if opening.start() < at:
            continue
        kept.append(markup[at : opening.start()])
        end = closing.search(markup, opening.end())
        if end is None:
            return "".join(kept)
        at = end.start()
    return "".join([*kept, markup[at:]])
