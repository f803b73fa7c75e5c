"""Finds addresses in reports and in prose, and writes them as our rows do: domain in lower case, as A-labels."""

import re

import idna

from emails.bounces import encoded

_ATOM = r"[^\s<>()\[\],;:\"'|@＠“”‘’«»「」、。，：；（）【】]"
_LOCAL = rf"\"[^\"\n]{{1,64}}\"|{_ATOM}{{1,160}}|{_ATOM}{{1,80}}'{_ATOM}{{1,80}}"
ADDRESS = rf"(?:{_LOCAL})@(?:\[[0-9a-fA-F.:IPv]{{3,60}}\]|[\w.-]{{1,253}})"
"""A pattern for what may be an address in a text: quoted, internationalised, or with a literal for its domain."""
_ADDRESS = re.compile(ADDRESS)
_TYPED = re.compile(r"\s*[\w-]{1,20}\s*;\s*(.*)", re.DOTALL)
_HEXADECIMAL = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_PREFIX = re.compile(r"^(?:mailto|smtp|rfc822|to|cc):", re.IGNORECASE)
# No two blanks' patterns stand side by side: a field of a thousand blanks took seconds.
_ALONE = re.compile(
    rf"(?:[^<>]*<\s*)?(?:(?:mailto|smtp|rfc822)[:;]\s*)?({ADDRESS})(?:\s*>)?(?:\s*\([^()]*\))?", re.IGNORECASE
)


def normal(address: str) -> str:
    """The address without what is written around it, decoded; "" if it is none."""
    bare = _PREFIX.sub("", encoded.words(address[:1000].strip(" \t\r\n<>")))
    bare = _HEXADECIMAL.sub(lambda found: _character(int(found[1], 16)), bare)
    if bare.startswith("@"):
        bare = bare.partition(":")[2]  # a source route (RFC 5321, appendix C)
    found = _ADDRESS.search(bare)
    local, _, domain = found[0].rpartition("@") if found else ("", "", "")
    domain = domain.strip(".").lower()
    return f"{_unquoted(local)}@{_ascii(domain)}" if domain and found and found[0].isprintable() else ""


def alone(value: str) -> str:
    """The one address that a field holds, bare or in angle brackets behind a name; "" if it holds none, or several.

    What a provider says of an address counts without further proof, so nobody may be guessed out of such a field.
    """
    found = _ALONE.fullmatch(value[:1000].strip())
    return normal(found[1]) if found else ""


def typed(value: str) -> str:
    """The address in a field such as `rfc822; alice@reader.example` (RFC 3464, section 2.1.2; RFC 6533)."""
    found = _TYPED.match(value[:1000])
    return normal((found[1] if found else value[:1000]).partition(" (")[0])


def all_in(text: str) -> list[str]:
    """All addresses in a text, in order, each once."""
    return list(dict.fromkeys(filter(None, (normal(found[0]) for found in _ADDRESS.finditer(text)))))


def is_machine(address: str) -> bool:
    """Whether the address is one that mail servers write from, or that somebody answers for them."""
    return address.partition("@")[0].lower() in ("mailer-daemon", "postmaster", "abuse")


def _character(point: int) -> str:
    return chr(point) if point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF else ""


def _unquoted(local: str) -> str:
    inner = local[1:-1] if len(local) > 2 and local[0] == local[-1] == '"' else ""
    return inner if re.fullmatch(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", inner) else local


def _ascii(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return domain
