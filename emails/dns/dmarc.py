"""DMARC as RFC 9989 has it: which record holds for a domain, and which domains are aligned.

The organizational domain is found by walking up the DNS tree (section 4.10), not in a list of public suffixes.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

Ask = Callable[[str, str], tuple[str, ...]]

GONE = ("pct", "rf", "ri")
"""Tags of RFC 7489 that RFC 9989 has taken out."""
_MOST_LABELS = 8


class Policy(NamedTuple):
    """A DMARC record: the name where it stands, its text, and its tags."""

    name: str
    text: str
    tags: Mapping[str, str]


def tags(text: str) -> dict[str, str]:
    """A tag list (`v=DMARC1; p=none`) as a dict; tags in lower case."""
    pairs = (each.partition("=") for each in text.split(";") if "=" in each)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def policy(domain: str, ask: Ask) -> Policy | None:
    """The record that holds for letters from this domain: its own, or else its organizational domain's."""
    return _at(domain, ask) or _at(organizational(domain, ask), ask)


def organizational(domain: str, ask: Ask) -> str:
    """The organizational domain, by the tree walk of section 4.10.2."""
    found: list[tuple[str, Policy]] = []
    below = domain
    for name in _upwards(domain):
        record = _at(name, ask)
        psd = record.tags.get("psd", "u").lower() if record else "u"
        if record and psd == "n":
            return name
        if record and psd == "y" and name != domain:
            return below
        if record:
            found.append((name, record))
        below = name
    return found[-1][0] if found else domain


def is_aligned(domain: str, author: str, ask: Ask, *, strict: bool = False) -> bool:
    """Whether an authenticated domain counts for letters from `author`: it is the same, or relaxed, of the same
    organizational domain."""
    if domain == author or strict:
        return domain == author
    return organizational(domain, ask) == organizational(author, ask)


def may_be_aligned(domain: str, author: str) -> bool:
    """Whether two domains could be aligned, so far as can be told without the DNS: they share more than a top-level
    domain."""
    return domain.split(".")[-2:] == author.split(".")[-2:]


def _upwards(domain: str) -> Iterator[str]:
    labels = domain.split(".")
    yield domain
    above = labels[1:] if len(labels) <= _MOST_LABELS else labels[1 - _MOST_LABELS :]
    for at in range(len(above)):
        yield ".".join(above[at:])


def records(domain: str, ask: Ask) -> list[str]:
    """The DMARC records at this very domain; more than one, and none counts."""
    return [text for text in ask(f"_dmarc.{domain}", "TXT") if re.match(r"v\s*=\s*DMARC1\s*(;|$)", text)]


def _at(domain: str, ask: Ask) -> Policy | None:
    found = records(domain, ask)
    return Policy(f"_dmarc.{domain}", found[0], tags(found[0])) if len(found) == 1 else None
