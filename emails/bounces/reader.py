"""Reads one mail: takes it apart, decides what it is, and gathers the findings."""

import re
from dataclasses import dataclass, replace

from emails.bounces import addresses, automatic, delays, encoded, html_text, judging, mime, prose, returned, ses
from emails.bounces.bounce_signs import is_bounce, is_challenge, is_wrapped
from emails.bounces.complaints import complaints
from emails.bounces.findings import Finding
from emails.bounces.mime import Part
from emails.bounces.reports import Report, reports

RECIPIENTS = 100
"""A mail gives at most so many findings. Our letters have one recipient each."""

_TEXTS = 20

_WRAPPINGS = 2
_WORDS = 60_000
_NAMES = 8000
_STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")
_REPORT_PARTS = (*_STATUS_PARTS, "message/feedback-report")
_HAS_FIELDS = re.compile(r"^(?:Final|Original)-Recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
_DETAIL = re.compile(r"\+[^@]*@")
_DELIVERED = ("delivered", "relayed", "expanded", "deliverable")


@dataclass(frozen=True)
class _Mail:
    """A mail taken apart: its words without the letter that it returns, and the addresses of that letter."""

    whole: Part
    leaves: list[Part]
    words: str
    letter: Part | None
    ours: frozenset[str]
    meant: list[str]

    @classmethod
    def of(cls, raw: bytes) -> "_Mail":
        whole = mime.parse(raw)
        leaves = list(whole.leaves())
        divided = [returned.divide(_text(each)) for each in [each for each in leaves if _holds_words(each)][:_TEXTS]]
        letter = returned.letter_in(leaves, [behind for _, behind in divided])
        names = [value for each in ("from", "to", "delivered-to", "x-original-to") for value in whole.all(each)]
        ours = addresses.all_in(encoded.words(", ".join([*names, *returned.sent_by(letter)])[:_NAMES]))
        words = "\n".join(each for each, _ in divided)[:_WORDS]
        plain = [_DETAIL.sub("@", each) for each in ours]  # news@ for news+b-…@
        return cls(whole, leaves, words, letter, frozenset([*ours, *plain]), returned.recipients(letter))

    @property
    def failed(self) -> list[str]:
        """The recipients in a header of Exim's and Gmail's."""
        return addresses.all_in(", ".join(self.whole.all("x-failed-recipients"))[:_NAMES])

    @property
    def told(self) -> list[prose.Told]:
        return prose.recipients(self.words, self.ours, self.meant)


def read(raw: bytes) -> tuple[Finding, ...]:
    """What the mail says: at least one finding, whatever the bytes are. Each carries what proves that a letter of ours
    is meant, as far as the mail has it."""
    return tuple(_read(raw, _WRAPPINGS)[:RECIPIENTS])


def _read(raw: bytes, wrappings: int) -> list[Finding]:
    mail = _Mail.of(raw)
    proof = returned.proof(mail.whole, [each.text for each in mail.leaves if each.type in _REPORT_PARTS], mail.letter)
    return [_proven(each, proof) for each in _findings(mail, wrappings)]


def _proven(found: Finding, proof: returned.Proof) -> Finding:
    # Whoever asks to be unsubscribed writes the token themselves: a letter that they quote may be somebody else's.
    leaves = found.unsubscribe_token or (proof.unsubscribe_token if found.kind != "unsubscribe" else None)
    token, message_id = found.token or proof.token, found.message_id or proof.message_id
    return replace(found, token=token, message_id=message_id, unsubscribe_token=leaves)


def _holds_words(part: Part) -> bool:
    return part.type in ("text/plain", "text/html") or part.type.startswith("multipart/")


def _text(part: Part) -> str:
    return html_text.text_of(part.text) if part.type == "text/html" else part.text


def _findings(mail: _Mail, wrappings: int) -> list[Finding]:
    if found := complaints(mail.whole, mail.leaves, mail.letter):
        return found
    if is_challenge(mail.whole, mail.words):
        return [replace(automatic.harmless(mail.whole, mail.words), kind="challenge")]
    told = [each for part in mail.leaves[:_TEXTS] if part.type in _STATUS_PARTS for each in reports(part.text)]
    bounced = is_bounce(mail.whole, mail.words, mail.letter, reports=bool(told))
    if not told and bounced and _HAS_FIELDS.search(mail.words):
        told = list(reports(mail.words))
    if told and bounced:
        return _reported(mail, told)
    if notification := ses.notification_in(mail.words):
        return ses.findings(notification) or [Finding("other")]
    if leaving := automatic.unsubscribing(mail.whole, mail.words):
        return [leaving]
    if bounced:
        return _wrapped(mail, wrappings) or _in_words(mail)
    return [automatic.harmless(mail.whole, mail.words)]


def _reported(mail: _Mail, told: list[Report]) -> list[Finding]:
    prosaic = mail.told
    around = {each.recipient: each.around for each in prosaic}
    named = next(iter([*mail.failed, *mail.meant, *(each.recipient for each in prosaic)]), "")
    found = []
    for each in told[:RECIPIENTS]:
        recipient, original = each.recipient or named, each.original or None
        if each.action in _DELIVERED:
            found.append(Finding("delivered", recipient, original))
            continue
        judged = judging.judge(each.diagnostic, each.status, *_contexts(mail, around.get(recipient, ""), told))
        found.append(_finding(judged, recipient, original, late=each.action == "delayed"))
    return found


def _contexts(mail: _Mail, around: str, told: list[Report]) -> tuple[str, ...]:
    """What the words say of a recipient, and all of them if nobody else is meant."""
    return (around, mail.words) if len(told) == 1 or not around else (around,)


def _wrapped(mail: _Mail, wrappings: int) -> list[Finding]:
    """The findings of the bounce that a gateway wrapped into one of its own: the inner one knows more."""
    if mail.letter is None or not wrappings or not is_wrapped(mail.letter):
        return []
    return [each for each in _read(mail.letter.raw, wrappings - 1) if each.recipient]


def _in_words(mail: _Mail) -> list[Finding]:
    told = mail.told
    if failed := mail.failed:
        named = {each.recipient: each for each in told}
        told = [named.get(each, prose.Told(each, mail.words, mail.words)) for each in failed]
    told = told or [prose.Told(next(iter(mail.meant), ""), mail.words, mail.words)]
    late = delays.is_late(encoded.words(mail.whole.get("subject")), mail.words)
    return [_finding(_judged(mail, each), each.recipient, each.original, late=late) for each in told[:RECIPIENTS]]


def _judged(mail: _Mail, each: prose.Told) -> judging.Judged:
    """By the words about this recipient, and else by those that stand before all of them."""
    near = each.around if len(each.around) > len(each.said) else mail.words
    return judging.judge(each.said, "", near, each.before)


def _finding(judged: judging.Judged, recipient: str, original: str | None = None, *, late: bool) -> Finding:
    kind = "delayed" if late else judged.kind
    return Finding(kind, recipient, original, judged.code, judged.status, judged.diagnostic, judged.whose)
