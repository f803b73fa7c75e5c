"""What every mail server and mail app asks of a message's bytes and header (RFC 5321, 5322, 2045 to 2047)."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import parsedate_to_datetime

from emails.checks.seen import Fault, Seen, shown

_EVERY = ("from", "to", "subject", "date", "message-id", "mime-version", "content-type")
_OF_LISTS = ("list-id", "list-unsubscribe", "list-unsubscribe-post")
_KNOWN = frozenset(_EVERY + _OF_LISTS) | {
    "auto-submitted", "dkim-signature", "feedback-id", "list-archive", "list-help", "reply-to",
}  # fmt: skip
_STRUCTURED = re.compile(r"(list-.*|feedback-id|message-id|auto-submitted|mime-version|content-type|date)")
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=")
_LINE = re.compile(rb"(?:[!-9;-~]+:|[ \t]).*", re.DOTALL)


def plain_bytes(seen: Seen) -> Iterator[Fault]:
    """Row 1."""
    if re.search(rb"(?<!\r)\n|\r(?!\n)", seen.raw):
        yield Fault("A line does not end in CRLF.")
    if b"\0" in seen.raw:
        yield Fault("The message has a NUL in it.")
    if not seen.raw.isascii():
        yield Fault("The message has a byte with its eighth bit set, undeclared.")
    if max(map(len, re.split(rb"\r?\n", seen.raw))) > 998:
        yield Fault("A line is longer than 998 bytes.")


def fields_once(seen: Seen) -> Iterator[Fault]:
    """Row 2. Letters that belong to no list have no List-* field."""
    counts = Counter(field.name for field in seen.fields)
    for name in _EVERY + (_OF_LISTS if seen.case.is_list else ()):
        if counts[name] != 1:
            yield Fault(f"The header has {counts[name] or 'no'} {shown(name)}, and must have one.")
    for name, count in counts.items():
        if count > 1 and name not in (*_EVERY, *_OF_LISTS, "dkim-signature"):
            yield Fault(f"The header has {count} {shown(name)}, and may have one.")
        if name in ("bcc", "cc"):
            yield Fault(f"The header has a {shown(name)}: it would show other readers’ addresses.")
        if name.startswith("list-") and not seen.case.is_list:
            yield Fault(f"This letter belongs to no list, but its header has {shown(name)}.")
    for field in seen.fields:
        if not field.value:
            yield Fault(f"The header’s {field.shown} is empty.")


def date_and_id(seen: Seen) -> Iterator[Fault]:
    """Row 3. (That a Message-ID stays the same and is one reader's alone takes two messages to see.)"""
    try:
        has_zone = parsedate_to_datetime(seen.only("date")).tzinfo is not None
    except ValueError:
        has_zone = False
    if not has_zone:
        yield Fault(f"The Date cannot be read, or has no zone: {seen.only('date')!r}.")
    domain = re.escape(seen.case.identity.domain)
    if not re.fullmatch(rf"<[A-Za-z0-9.+_-]+@{domain}>", seen.only("message-id")):
        yield Fault(f"The Message-ID is not one of {seen.case.identity.domain}.")


def encoded_words(seen: Seen) -> Iterator[Fault]:
    """Row 4."""
    for field in seen.fields:
        name, value = field.shown, field.value
        if _STRUCTURED.fullmatch(field.name) and "=?" in value:
            yield Fault(f"{name} has an encoded word, which may not stand there (RFC 2047, section 5).")
            continue
        for word in _ENCODED_WORD.finditer(value):
            if len(word[0]) > 75:
                yield Fault(f"{name} has an encoded word of {len(word[0])} characters; 75 are the most.")
            if (value[: word.start()][-1:] + value[word.end() :][:1]).strip():
                yield Fault(f"{name} has an encoded word without white space around it.")
        if any("=?" in address for address in re.findall(r"<[^>]*>", value)):
            yield Fault(f"{name} has an encoded word in its address.")


def two_parts(seen: Seen) -> Iterator[Fault]:
    """Row 10."""
    if seen.message.get_content_type() != "multipart/alternative":
        yield Fault(f"The message is {seen.message.get_content_type()}, not multipart/alternative.")
    parts = [part for part in seen.message.walk() if not part.is_multipart()]
    kinds = [part.get_content_type() for part in parts]
    if kinds != ["text/plain", "text/html"]:
        yield Fault(f"The parts are {', '.join(kinds)}: they must be text/plain, then text/html.")
    for part in parts:
        if part.get_content_charset() != "utf-8":
            yield Fault(f"The {part.get_content_type()} part is not declared as UTF-8.")
        elif _undecodable(bytes(part.get_payload(decode=True) or b"")):
            yield Fault(f"The {part.get_content_type()} part is not UTF-8.")
    if defects := [defect for part in seen.message.walk() for defect in part.defects]:
        yield Fault(f"The message has a MIME defect: {type(defects[0]).__name__}.")


def _undecodable(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def nothing_injected(seen: Seen) -> Iterator[Fault]:
    """Row 20."""
    if strange := sorted({field.name for field in seen.fields} - _KNOWN):
        yield Fault(f"The header has a field that no letter of ours has: {strange[0][:60]}.")
    if any(not _LINE.fullmatch(line) for line in seen.head.split(b"\r\n")):
        yield Fault("The header has a line that is no field.")
    for field in seen.fields:
        try:
            decoded = str(make_header(decode_header(field.value)))
        except (HeaderParseError, LookupError, ValueError):
            yield Fault(f"{field.shown} cannot be decoded.")
            continue
        if any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") and each != "\t" for each in decoded):
            yield Fault(f"{field.shown} has a control character in it.")
