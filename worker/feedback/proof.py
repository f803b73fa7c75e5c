"""What proves that a mail which came back is about a letter of ours. Anybody can write a bounce, nobody our tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from emails import links
from emails.bounces import Finding
from emails.links import BadLink, Signed


@dataclass(frozen=True, slots=True)
class Proof:
    """The delivery, and its subscriber where the proof tells them; 0 for a test's or a preview's letter."""

    delivery: int
    subscriber: int = 0


def of(keys: Sequence[bytes], finding: Finding) -> Proof | None:
    """The return path's token, the Message-ID or the unsubscribe link of a letter, in this order; or None."""
    if signed := _signed(keys, "bounce", finding.token):
        return Proof(signed.delivery, signed.subject)
    local = (finding.message_id or "").strip("<> ").partition("@")[0]
    delivery = links.delivery_of_message_id(keys, local)
    if delivery is not None:
        return Proof(delivery)
    if signed := leaving(keys, finding):
        return Proof(signed.delivery, signed.subject)
    return None


def leaving(keys: Sequence[bytes], finding: Finding) -> Signed | None:
    """What the unsubscribe token says, if it is one of ours."""
    return _signed(keys, "unsubscribe", finding.unsubscribe_token)


def _signed(keys: Sequence[bytes], purpose: links.Purpose, token: str | None) -> Signed | None:
    if not token:
        return None
    try:
        return links.read(keys, purpose, token)
    except BadLink:
        return None


_OURS_TO_HANDLE = ("hard", "soft", "content", "complaint", "delayed", "delivered", "auto")


def is_ours(keys: Sequence[bytes], findings: Sequence[Finding]) -> bool:
    """Whether a mail is about a letter of ours and no person has to read it: a proven bounce, complaint or vacation
    note, or a mail that unsubscribes with our token. Answers of people and all else are for a person."""
    if any(each.kind in ("reply", "challenge") for each in findings):
        return False
    return any(
        leaving(keys, each)
        if each.kind == "unsubscribe"
        else (each.kind in _OURS_TO_HANDLE or each.feedback) and of(keys, each)
        for each in findings
    )
