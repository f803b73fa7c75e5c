"""SPF as RFC 7208 has it: whom a domain's record lets send, its includes among them, and how many look-ups it takes."""

import ipaddress
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

Ask = Callable[[str, str], tuple[str, ...]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MOST_LOOK_UPS, MOST_VOID = 10, 2
"""Receivers give up after so many mechanisms that ask the DNS, and after so many questions with no answer (4.6.4)."""
_RECORD = re.compile(r"v=spf1(?: |$)", re.IGNORECASE)
_MECHANISM = re.compile(r"(all|include|a|mx|ptr|ip4|ip6|exists)(?:([:/])(.*))?", re.IGNORECASE)
_WHERE = re.compile(r":?([^/]*)(?:/(?!/)([^/]*))?(?://(.*))?", re.DOTALL)
"""A domain and the widths of its networks: `:mail.example/24//64`."""
_ASKING = ("include", "a", "mx", "ptr", "exists")
_DEEPEST, _MOST_READ = 12, 50
"""A record that includes itself, or others without an end, is read so deep and so far: its look-ups are too many."""


class BadSpf(Exception):
    """A record at which every receiver gives up (permerror); the message says why."""


@dataclass
class Senders:
    """What a record says in all: the networks that may send, the names that it includes, and its look-ups."""

    networks: list[IPv4Network | IPv6Network] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    look_ups: int = 0
    void: list[str] = field(default_factory=list)
    """The names that were asked for and hold nothing."""
    all: str = ""
    """The qualifier of its last word `all`: + ? ~ or -; empty if there is none."""
    hidden: bool = False
    """Whether it lets more send than can be told: by macros, `ptr` or `exists`."""
    trusted: Collection[str] = ()
    """Names whose records are others' care: if this resolver does not see one, that is no fault of the domain's."""

    def lets(self, address: Address) -> bool:
        return any(address in each for each in self.networks)


def records(domain: str, ask: Ask) -> tuple[str, ...]:
    """The SPF records of this domain; more than one, and none counts (4.5)."""
    return tuple(each for each in ask(domain, "TXT") if _RECORD.match(each))


def senders(domain: str, ask: Ask, trusted: Collection[str] = ()) -> Senders:
    """Read the domain's record, with all that it includes. Raises BadSpf."""
    found = Senders(trusted=trusted)
    found.all = _read(domain, ask, found, 0)
    return found


def _read(domain: str, ask: Ask, found: Senders, depth: int) -> str:
    """Add one record to `found`. Returns the qualifier of its `all`, or of that to which it redirects."""
    texts = records(domain, ask)
    if len(texts) != 1:
        raise BadSpf(f"{domain} publishes {f'{len(texts)} SPF records' if texts else 'no SPF record'}")
    words = texts[0].split()[1:]
    redirect = ""
    for word in words:
        name, is_modifier, value = word.partition("=")
        if is_modifier and re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*", name):
            redirect = value if name.lower() == "redirect" else redirect
        elif qualifier := _add(word, domain, ask, found, depth):
            return qualifier
    return _follow(redirect, ask, found, depth) if redirect else ""


def _add(word: str, domain: str, ask: Ask, found: Senders, depth: int) -> str:
    """Add what one mechanism lets send. Returns the qualifier of `all`, behind which nothing counts."""
    qualifier, rest = (word[0], word[1:]) if word[0] in "+-~?" else ("+", word)
    match = _MECHANISM.fullmatch(rest)
    if not match:
        raise BadSpf(f"{word} is no word of SPF")
    name, value = match[1].lower(), (match[2] or "") + (match[3] or "")
    if name == "all":
        return qualifier
    if name == "include":
        _follow(value[1:], ask, found, depth)
        return ""
    found.look_ups += name in _ASKING
    if "%" in value or name in ("ptr", "exists"):
        found.hidden = True
    elif networks := _networks(name, value, domain, ask, found):
        found.networks += networks if qualifier == "+" else []
    return ""


def _follow(name: str, ask: Ask, found: Senders, depth: int) -> str:
    """Read the record of an include or a redirect."""
    found.look_ups += 1
    if "%" in name:
        found.hidden = True
        return ""
    name = name.rstrip(".").lower()
    if not re.fullmatch(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+", name):
        raise BadSpf(f"it includes {name!r}, which is no domain")
    if depth == _DEEPEST or found.look_ups > _MOST_READ:
        raise BadSpf(f"its includes do not end ({name})")
    found.names.add(name)
    if name in found.trusted and not records(name, ask):
        found.hidden = True
        return ""
    return _read(name, ask, found, depth + 1)


def _networks(name: str, value: str, domain: str, ask: Ask, found: Senders) -> Sequence[IPv4Network | IPv6Network]:
    try:
        if name in ("ip4", "ip6"):
            return [ipaddress.ip_network(value[1:], strict=False)]
        if not (parts := _WHERE.fullmatch(value)):
            raise ValueError
        where, four, six = parts.groups()
        host = where.rstrip(".") or domain
        hosts = [each.split()[-1].rstrip(".") for each in _asked(host, ("MX",), ask, found)] if name == "mx" else [host]
        addresses = [each for one in hosts for each in _asked(one, ("A", "AAAA"), ask, found)]
        wide = {4: four or "32", 6: six or "128"}
        return [ipaddress.ip_network(f"{each}/{wide[6 if ':' in each else 4]}", strict=False) for each in addresses]
    except ValueError:
        raise BadSpf(f"{name}{value} names no network") from None


def _asked(name: str, kinds: Sequence[str], ask: Ask, found: Senders) -> list[str]:
    answers = [each for kind in kinds for each in ask(name, kind)]
    if not answers:
        found.void.append(name)
    return answers
