"""Reads bounces that tell in words: whom they name, and what they say of each."""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from emails.bounces import addresses
from emails.bounces.addresses import ADDRESS

_LINES = 400
_LONGEST = 1000
_ABOUT_ONE = 40

# An address that has a line to itself, or begins it: `<a@b>:`, `  a@b`, `550 5.1.1 <a@b>... User unknown`.
_ALONE = re.compile(
    rf"(?:[45]\d\d (?:[245]\.\d+\.\d+ )?(?=<))?(?:[\s>*•–\-\"'“\[(]|\d+[.)]){{0,12}}"
    rf"<?({ADDRESS})>?[\s\"'”:,.;)\]]{{0,8}}(?:$|\.\.\.|(?<=[:\s;,])[\s(\-–]|(?<=\s).)"
)
_ASKED = re.compile(rf".{{0,80}}?(?:RCPT TO:|;dda:SMTP=)\s*<?({ADDRESS})>?", re.IGNORECASE)
_MADE_FROM = re.compile(
    rf"\W{{0,12}}(?:ultimately )?(?:generated|expanded) from:? {{0,3}}<?({ADDRESS})>?", re.IGNORECASE
)
_LABELLED = re.compile(
    r"\W{0,12}(?:(?:final|original|failed|bad|intended|invalid|unknown|actual)[ -])?"
    r"(?:recipients?|rcpt|to|address(?:ee)?|user|mailbox|empfänger(?:adresse)?|destinat\w{2,8}|adresse|dirección|"
    r"endereço|indirizzo|ontvanger|odbiorca|宛先|受信者|送信先|収信者|收件人|收件者)"
    rf"(?: ?(?:address|e-?mail|name|was|is|\(s\)|s))?\s*[:：=]\s*<?({ADDRESS})>?",
    re.IGNORECASE,
)
_INLINE = re.compile(ADDRESS)
_SOMEBODY_ELSES = re.compile(
    r"\b(?:from|sender|mail from|reply-to|return-path|envelope-from|postmaster|abuse|contact|administrator|support|"
    r"forward|help ?desk|von|absender|de|expéditeur|remitente|remetente|mittente|afzender|nadawca)\b.{0,40}$"
    r"|(?:差出人|发件人).{0,10}$",
    re.IGNORECASE,
)
_NAMES_SENDER = re.compile(
    r"[\s>*]{0,8}(?:from|sender|mail from|reply-to|return-path|cc|von|de|message-id|差出人|发件人)\s*[:：]",
    re.IGNORECASE,
)
_REPLY = re.compile(r"\W{0,12}(?:[\w' ]{1,40}: ?)?([45](?:\d\d(?=[ :-]|$)|\.\d{1,3}\.\d{1,3}(?=\s)))")
_REASON = re.compile(
    r"\W{0,12}(?:reason|error(?:[ -](?:text|message|description))?|grund|raison|motivo|理由|原因)\s*[:：]",
    re.IGNORECASE,
)
_WORDS = re.compile(r"\w+\W+\w+")
_RULER = re.compile(r"\s*(?:[-=*_#]{3}|$)")

_Named = list[tuple[int, str]]
"""The numbers of lines, and the address that each names."""


class Told(NamedTuple):
    """A recipient, what is said of it in a few lines, and all the lines that speak of it; then the address that a
    forwarding made it from, if any, and the lines before the first recipient."""

    recipient: str
    said: str
    around: str
    original: str | None = None
    before: str = ""


def recipients(text: str, ours: Collection[str], meant: Collection[str]) -> list[Told]:
    """The recipients that the text names. `ours` are the sender's own addresses, `meant` the returned letter's."""
    lines = [line[:_LONGEST] for line in text.split("\n", _LINES)[:_LINES]]
    listed = [list(_listed(lines, pattern)) for pattern in (_ALONE, _ASKED, _LABELLED, _MADE_FROM)]
    for way in listed:
        if named := _likely(way, ours):
            return list(_with_words(lines, named))
    inline = _likely(_inline(lines), ours)
    if named := [(at, each) for at, each in inline if each in meant] or inline:
        return list(_with_words(lines, named))
    # Somebody may have written to himself.
    return list(_with_words(lines, next((named for way in listed if (named := _likely(way, ()))), [])))


def _likely(named: _Named, ours: Collection[str]) -> _Named:
    return [(at, each) for at, each in named if each not in ours and not addresses.is_machine(each)]


def _listed(lines: list[str], pattern: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    for at, line in enumerate(lines):
        if not _NAMES_SENDER.match(line) and (found := pattern.match(line)) and (address := addresses.normal(found[1])):
            yield at, address


def _inline(lines: list[str]) -> _Named:
    return [
        (at, address)
        for at, line in enumerate(lines)
        if not _NAMES_SENDER.match(line)
        for found in _INLINE.finditer(line)
        if not _SOMEBODY_ELSES.search(line[: found.start()]) and (address := addresses.normal(found[0]))
    ]


def _with_words(lines: list[str], named: _Named) -> Iterator[Told]:
    """Each recipient with its line and those behind it, up to the next one's."""
    ends = [at for at, _ in named[1:]] + [len(lines)]
    before = "\n".join(lines[: named[0][0]]) if named else ""
    their: dict[str, list[str]] = {}
    for (at, address), end in zip(named, ends, strict=False):
        their.setdefault(address, []).extend(lines[at : max(end, at + 1)][:_ABOUT_ONE])
    for address, around in their.items():
        said = _from_reply(around) or (_from_reply(lines) if len(their) == 1 else [])
        said = said or _paragraph(around, _REASON) or _beginning(around)
        yield Told(address, "\n".join(said), "\n".join(around), _made_from(around, address), before)


def _made_from(lines: list[str], address: str) -> str | None:
    """The address that we wrote to, if a forwarding or an alias made this one from it (Exim, Sendmail, Postfix)."""
    found = next((addresses.normal(found[1]) for line in lines if (found := _MADE_FROM.match(line))), "")
    return found if found and found != address else None


def _beginning(lines: list[str]) -> list[str]:
    """The first paragraph, or all if that holds nothing but the address."""
    end = next((at for at, line in enumerate(lines) if _RULER.match(line)), len(lines))
    return lines[:end] if _WORDS.search(_INLINE.sub("", " ".join(lines[:end]))) else lines


def _from_reply(lines: list[str]) -> list[str]:
    """The first paragraph that begins with an SMTP reply, up to another reply if there is one."""
    found = _paragraph(lines, _REPLY)
    codes = [each and each[1] for each in map(_REPLY.match, found)]
    return found[: next((at for at, code in enumerate(codes) if code and code != codes[0]), len(found))]


def _paragraph(lines: list[str], beginning: re.Pattern[str]) -> list[str]:
    """The lines from the first that begins so, up to a ruler if there is one."""
    start = next((at for at, line in enumerate(lines) if beginning.match(line)), len(lines))
    end = next((at for at in range(start, len(lines)) if _RULER.match(lines[at])), len(lines))
    return lines[start:end]
