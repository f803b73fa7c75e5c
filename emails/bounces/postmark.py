"""Reads the webhooks of Postmark: bounces, spam complaints, and changes of a subscription."""

from collections.abc import Mapping
from typing import Any

from emails.bounces import addresses, judging
from emails.bounces.bad_form import BadForm
from emails.bounces.findings import Finding

_RECORDS = ("Bounce", "SpamComplaint", "SubscriptionChange")
_TYPES = {
    "HardBounce": "550 5.1.1 no such user",
    "BadEmailAddress": "550 5.1.3 bad recipient address syntax",
    "SoftBounce": "450 4.2.0 mailbox temporarily unavailable",
    "Transient": "450 4.4.1 no answer from host",
    "DnsError": "450 4.4.3 name server failure",
    "Undeliverable": "450 4.2.0 mailbox temporarily unavailable",
    "SpamNotification": "554 5.7.1 message rejected as spam",
    "Blocked": "554 5.7.1 message rejected by policy",
    "DMARCPolicy": "550 5.7.26 message failed DMARC",
    "VirusNotification": "554 5.7.1 message rejected as infected",
}
"""What the types of a bounce mean in a mail server's words, where the server's own say nothing."""


def findings(told: Mapping[str, Any]) -> list[Finding]:
    """What the message says of its recipient. Raises BadForm for one of another kind; other events say nothing."""
    record = told.get("RecordType")
    if not isinstance(record, str):
        raise BadForm("RecordType is missing.")
    recipient = addresses.alone(_text(told, "Recipient" if record == "SubscriptionChange" else "Email"))
    if record in _RECORDS and not recipient:
        raise BadForm("It names no recipient.")
    match record:
        case "Bounce":
            return [_bounced(told, recipient)]
        case "SpamComplaint":
            return [Finding("complaint", recipient, feedback="abuse")]
        case "SubscriptionChange" if told.get("SuppressSending") is True:
            return _suppressed(told, recipient)
    return []


def _bounced(told: Mapping[str, Any], recipient: str) -> Finding:
    kind = _text(told, "Type")
    match kind:
        case "SpamComplaint":
            return Finding("complaint", recipient, feedback="abuse")
        case "Unsubscribe":
            return Finding("unsubscribe", recipient)
        case "AutoResponder":
            return Finding("auto", recipient)
        case "ChallengeVerification":
            return Finding("challenge", recipient)
    if kind not in _TYPES:
        return Finding("other", recipient)
    said = _text(told, "Details").partition(";")
    judged = judging.judge(said[2].strip() or said[0], "", _TYPES[kind])
    return Finding(judged.kind, recipient, None, judged.code, judged.status, judged.diagnostic, judged.whose)


def _suppressed(told: Mapping[str, Any], recipient: str) -> list[Finding]:
    """Postmark sends nothing to that address any more. Of an operator's own suppression there nothing follows here."""
    match told.get("SuppressionReason"):
        case "HardBounce":
            judged = judging.judge(_TYPES["HardBounce"])
            return [Finding("hard", recipient, None, judged.code, judged.status, whose=judged.whose)]
        case "SpamComplaint":
            return [Finding("complaint", recipient, feedback="abuse")]
        case "ManualSuppression" if told.get("Origin") == "Recipient":
            return [Finding("unsubscribe", recipient)]
    return []


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return value[:2000] if isinstance(value, str) else ""
