"""Masks email addresses in texts, however they are spelled there: percent-encoded, quoted-printable, in base64."""

import binascii
import html
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from db.addresses import key_of, normal
from db.rules import BadAddress

IsTheirs = Callable[[str], bool]
"""Whether an address, given by its key (db.addresses.key_of), is to be masked."""

_AT = r"(?:@|＠|%(?:25)*40|=40|&#(?:0*64|[xX]0*40);|&commat;|\\u0040|\\x40)"
_ENCODED = r"%[0-9A-Fa-f]{2}|=[0-9A-Fa-f]{2}|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}"
_LOCAL = r"(?:\"(?:[^\"\\\r\n]|\\.){1,64}\"|[\w.!#$%&'*+/=?^`{|}~-]{1,200})"
_DOMAIN = rf"(?:(?:[^\W_]|{_ENCODED})(?:[\w-]|{_ENCODED})*(?:\.(?:[\w-]|{_ENCODED})+)*)"
_CANDIDATE = re.compile(_LOCAL + _AT + _DOMAIN)
_MAY_QUOTE = re.compile("@|40|64;|commat|＠")
_MAY_QUOTE_ENCODED = re.compile(_MAY_QUOTE.pattern.encode())
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_BEFORE = re.compile(r"[=/'{|!?&$^`*#~%]")
"""What may stand before an address without belonging to it, as in `to=alice@reader.example`."""
_BEFORE_VERP = re.compile("[+-]")
"""And what a mailing list writes before one: list-return-7-alice=reader.example@…"""


def masked(address: str) -> str:
    """`m…@r….example`: enough to tell two readers apart on one page, too little to write to either."""
    local, _, domain = address.rpartition("@")
    name, dot, top = domain.rpartition(".")
    return f"{local[:1]}…@{(name or top)[:1]}…{dot}{top if name else ''}"


def anybodys(_: str) -> bool:
    """Every address is to be masked."""
    return True


def masked_in(text: str) -> str:
    """The text with every address in it masked: mail servers often quote the recipient that they reject."""
    return masked_where(text, anybodys)


def masked_of(text: str, address: str) -> str:
    """The text with this one address masked, in any spelling."""
    key = key_of(address)
    return masked_where(text, key.__eq__)


def masked_where(text: str, is_theirs: IsTheirs) -> str:
    """The text with those addresses masked."""
    if _MAY_QUOTE.search(text):
        text = _CANDIDATE.sub(lambda found: _replaced(found[0], is_theirs), text)
    return _BASE64.sub(lambda found: "…" if _holds(_from_base64(found[0]), is_theirs) else found[0], text)


def quotes_one(text: str, is_theirs: IsTheirs) -> bool:
    """Whether one of those addresses stands in the text."""
    return _holds(text, is_theirs) or any(_holds(_from_base64(run), is_theirs) for run in _BASE64.findall(text))


def masked_fields(value: Any, is_theirs: IsTheirs = anybodys) -> Any:
    """A JSON value with those addresses masked in all its texts."""
    if isinstance(value, str):
        return masked_where(value, is_theirs)
    if isinstance(value, list):
        return [masked_fields(each, is_theirs) for each in value]
    if isinstance(value, dict):
        return {masked_where(name, is_theirs): masked_fields(each, is_theirs) for name, each in value.items()}
    return value


def _holds(text: str, is_theirs: IsTheirs) -> bool:
    return any(is_theirs(key) for found in _CANDIDATE.finditer(text) for key in _keys(found[0]))


def _replaced(spelled: str, is_theirs: IsTheirs) -> str:
    for key in _keys(spelled):
        if is_theirs(key):
            before, whole, after = key_of(spelled).partition(key)
            return spelled[: len(before)] + masked(key) + spelled[len(spelled) - len(after) :] if whole else masked(key)
    return spelled


def _keys(spelled: str) -> Iterator[str]:
    """The keys of the addresses that a candidate may be: whole, without what stands before or behind it, or one that a
    server wrote into an address of its own (bounce+alice=reader.example@…, SRS0=…=reader.example=alice@…)."""
    for plain in _plain(spelled):
        local, _, domain = plain.rpartition("@")
        yield from _cuts(local, domain)
        *_, first, second = ("", *local.split("="))
        if first:
            yield from _cuts(first.replace("+", "="), second)
            yield from _cuts(first, second)
            yield from _cuts(second, first)
            yield from (_key(first[cut.end() :], second) for cut in _BEFORE_VERP.finditer(first))


def _cuts(local: str, domain: str) -> Iterator[str]:
    locals_ = [local.strip('"')] + [local[cut.end() :] for cut in _BEFORE.finditer(local)]
    labels = domain.strip(".").split(".")
    ends = [len(labels), *(at for at in range(1, len(labels)) if labels[at].istitle())]  # .Please is the next sentence
    for end in ends:
        for each in filter(None, locals_):
            yield _key(each, ".".join(labels[:end]))


def _key(local: str, domain: str) -> str:
    if not domain.isascii():
        try:
            return key_of(normal(f"{local}@{domain}"))
        except BadAddress:
            pass
    return key_of(f"{local}@{domain}")


def _plain(spelled: str) -> Iterator[str]:
    """The candidate without its encodings, if it then has an at sign."""
    text = html.unescape(spelled).replace("＠", "@")
    text = re.sub(r"\\u([0-9A-Fa-f]{4})", lambda found: chr(int(found[1], 16)), text)  # JSON
    text = re.sub(r"\\x([0-9A-Fa-f]{2})", r"%\1", text)  # Python's bytes
    while (decoded := unquote(text)) != text:
        text = decoded
    for each in (text, binascii.a2b_qp(text.encode()).decode("utf-8", "replace")):
        if "@" in each:
            yield each


def _from_base64(run: str) -> str:
    plain = run.rstrip("=").translate(_URL_SAFE)
    try:
        decoded = binascii.a2b_base64(plain + "=" * (-len(plain) % 4))
        # A mail server's queue id looks like base64 in every reply: only what may hold an address is worth decoding.
        return decoded.decode() if _MAY_QUOTE_ENCODED.search(decoded) else ""
    except ValueError:
        return ""


_URL_SAFE = str.maketrans("-_", "+/")
