"""When to come back, in a server's own words: "in 300 seconds", "00:05:00", or not before another day."""

import re
from datetime import timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600}
_CLOCK = re.compile(r"\b(?:in|after|for|wait|within) (\d{1,2}):([0-5]\d):([0-5]\d)\b", re.IGNORECASE)
_SPAN = re.compile(
    r"\b(?:again|in|after|for|retry|wait|within|another|least|delay(?:ed)?)\b[^\d.]{0,12}(\d{1,6})\s*"
    r"(s|m|h)(?:ec(?:ond)?s?|in(?:ute)?s?|(?:ou)?rs?)?\b",
    re.IGNORECASE,
)
_BARE = re.compile(r"\b(?:retry|again|back)(?:[ -](?:in|after))[ :=]*(\d{1,6})\b(?!\s*[a-z:.])", re.IGNORECASE)
_DAY = re.compile(
    r"\b(?:daily|(?:per|a|each|every|the|this|/) ?day|\d+ (?:messages?|emails?|recipients?)/day|24[ -]?(?:hours?|h)"
    r"|86400|today|tomorrow|sent in a day)\b",
    re.IGNORECASE,
)


def named_wait(reply: str) -> timedelta | None:
    """The wait that a reply asks for; a number without a unit stands for seconds."""
    text = reply[4:]
    if found := _CLOCK.search(text):
        hours, minutes, seconds = map(int, found.groups())
        return timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if found := _SPAN.search(text):
        return timedelta(seconds=int(found[1]) * _UNITS[found[2].lower()])
    if found := _BARE.search(text):
        return timedelta(seconds=int(found[1]))
    return None


def speaks_of_a_day(reply: str) -> bool:
    """Whether a reply speaks of a limit for a day, so that asking again within minutes is no use."""
    return bool(_DAY.search(reply))
