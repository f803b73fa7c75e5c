"""The returned letter: found as a part of the mail or behind a line in its text, and what its header proves."""

import itertools
import re
from collections.abc import Iterable
from typing import NamedTuple

from emails.bounces import addresses, encoded, mime
from emails.bounces.mime import Part
from emails.bounces.patterns import one_of

_LINES = 1500
_LONGEST_DIVIDER = 240
_HEADER = 25
_LETTERS = 5

_DIVIDER = one_of(r"""
    \s*(?:> ?)?[-=*_#+<]{2,}.{0,60}\b(?:copy of|original|unsent|undelivered|returned|returning|bounced)\b.{0,60}\b(?:message|mail|letter|headers?|text)\b.{0,80}
    \s*(?:> ?)?[-=*_#+<]{2,}.{0,60}\b(?:message|mail|letter|headers?|text)\b.{0,40}\b(?:follows?|below|headers?|text|original\w*|returned)\b.{0,60}
    \s*[-=*_#+]{2,}.{0,40}(?:Nachricht|Kopfzeilen|message original|mensaje original|mensagem original|messaggio originale).{0,60}
    \s*[-=*_#+]{2,}.{0,40}(?:originele bericht|oryginaln\w+|原始邮件|原文|元のメール|オリジナル).{0,60}
    \s*(?:the )?(?:original |returned |message |your )?(?:message|mail|letter|headers?)(?: headers?)? (?:follows?|is (?:attached|included) below)\W{0,5}
    \s*below (?:this line )?is (?:a|the) copy of the (?:original )?message.{0,60}
""")  # noqa: E501
_NAMES = re.compile(
    r"(?:> ?)?(return-path|received|message-id|from|to|subject|date|mime-version|content-type|reply-to|sender|"
    r"x-[\w-]{1,60})\s*:",
    re.IGNORECASE,
)
_IN_HEADER = re.compile(r"(?:> ?)?(?:[!-9;-~]{1,80}\s*:|[ \t]+\S)")
_TELLING = {"return-path", "received", "message-id"}
_VERP = re.compile(r"(?<![A-Za-z0-9])b-([0-9a-f]{40})@", re.IGNORECASE | re.ASCII)
_LEAVE = re.compile(r"/unsubscribe/([A-Za-z0-9_-]{40})(?![A-Za-z0-9_-])", re.ASCII)
_MESSAGE_ID = re.compile(r"(<[^<>\s]{1,250}>)")
_ENVELOPE = (
    "to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-rcpt-to", "x-delivered-to",
    "original-recipient", "resent-to", "x-forwarded-to", "apparently-to",
)  # fmt: skip
_SENT_BY = ("return-path", "x-envelope-from", "x-mailfrom", "sender", "errors-to", "x-sender", "from", "received")
_SENT_TO = ("x-envelope-to", "envelope-to", "x-original-to", "delivered-to", "to", "cc")


class Proof(NamedTuple):
    """What shows that a letter of ours is meant, and which."""

    token: str | None
    message_id: str | None
    unsubscribe_token: str | None


def divide(text: str) -> tuple[str, str]:
    """The words of a text, and the letter that is returned behind them, if any."""
    lines = text.split("\n", _LINES)[:_LINES]
    for at, line in enumerate(lines):
        if _begins_header(lines, at):
            return "\n".join(lines[:at]), "\n".join(lines[at:])
        if at and len(line) < _LONGEST_DIVIDER and _DIVIDER.fullmatch(line.rstrip("\r")):
            return "\n".join(lines[:at]), "\n".join(lines[at + 1 :])
    return "\n".join(lines), ""


def letter_in(leaves: Iterable[Part], behind: Iterable[str]) -> Part | None:
    """The returned letter with the most of a header: a part of the mail, or what stood behind the words of a text."""
    parts = [each for each in leaves if each.type in mime.RETURNED][:_LETTERS]
    found = [mime.parse_header(each.content) for each in parts]
    found += [mime.parse_header(each.encode("utf-8", "surrogateescape")) for each in behind if each.strip()]
    return max(found, key=lambda each: len(each.headers), default=None)


def proof(mail: Part, reports: Iterable[str], letter: Part | None) -> Proof:
    """The VERP token: in the envelope of the mail, which is hardest to lose, in a report, or in the letter's header;
    and what else names the letter."""
    envelope = [*_values(mail, _ENVELOPE), *reports, *_values(letter, _SENT_BY)]
    ids = [*_values(letter, ("message-id",)), *_values(mail, ("in-reply-to", "references"))]
    leave = _values(letter, ("list-unsubscribe",))
    return Proof(_first(_VERP, envelope), _first(_MESSAGE_ID, ids), _first(_LEAVE, leave))


def sent_by(letter: Part | None) -> list[str]:
    """The values that name the returned letter's sender."""
    return _values(letter, ("from", "return-path", "sender", "reply-to"))


def recipients(letter: Part | None) -> list[str]:
    """Whom the returned letter was for, by its header."""
    for name in _SENT_TO:
        if found := addresses.all_in(encoded.words(", ".join(_values(letter, (name,)))[:4000])):
            return found
    return []


def _values(part: Part | None, names: tuple[str, ...]) -> list[str]:
    return [value for name in names for value in part.all(name)] if part else []


def token_in(path: str) -> str | None:
    """The VERP token in a return path, if it has one."""
    return _first(_VERP, [path])


def _first(pattern: re.Pattern[str], values: list[str]) -> str | None:
    return next((found[1] for each in values if (found := pattern.search(each[:4000]))), None)


def _begins_header(lines: list[str], at: int) -> bool:
    """Whether a letter's header begins here: three known fields, one of them such as no prose quotes."""
    if not _NAMES.match(lines[at]):
        return False
    header = itertools.takewhile(_IN_HEADER.match, lines[at : at + _HEADER])
    names = {found[1].lower() for line in header if (found := _NAMES.match(line))}
    return len(names) >= 3 and not names.isdisjoint(_TELLING)
