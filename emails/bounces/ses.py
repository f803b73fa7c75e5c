"""Reads the notifications of Amazon SES, which arrive as JSON, by mail or by webhook."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emails.bounces import addresses, judging
from emails.bounces.complaints import kind_of
from emails.bounces.findings import Finding
from emails.bounces.plain_json import plain
from emails.bounces.returned import token_in

_RECIPIENTS = 100


def notification_in(text: str) -> dict[str, Any] | None:
    """The notification that a text begins with, without the envelope of SNS; or None."""
    start = text.lstrip()
    for _ in range(2):
        if not start.startswith("{") or start[:2000].count("{") > 200:
            return None
        try:
            found = plain(json.JSONDecoder(strict=False).raw_decode(start)[0])
        except (ValueError, RecursionError):
            return None
        if isinstance(found.get("Message"), str):
            start = found["Message"].lstrip()
        elif "notificationType" in found or "eventType" in found:
            return dict(found)
        else:
            return None
    return None


def findings(told: Mapping[str, Any]) -> list[Finding]:
    """What the notification says of each recipient. Fields of the wrong shape count as absent."""
    kind = str(told.get("notificationType") or told.get("eventType") or "").lower()
    about = _mapping(told.get("deliveryDelay" if kind == "deliverydelay" else kind))
    match kind:
        case "bounce":
            subtype = f"{about.get('bounceType')} {about.get('bounceSubType')}"
            found = [_bounced(each, subtype) for each in _mappings(about, "bouncedRecipients")]
        case "complaint":
            feedback = str(about.get("complaintFeedbackType") or "abuse").lower()
            their = [_address(each) for each in _mappings(about, "complainedRecipients")]
            found = [Finding(kind_of(feedback), each, feedback=feedback) for each in their]
        case "delivery":
            found = [Finding("delivered", addresses.alone(str(each))) for each in _list(about, "recipients")]
        case "deliverydelay":
            found = [Finding("delayed", _address(each)) for each in _mappings(about, "delayedRecipients")]
        case "reject":  # SES took the letter, and then found it infected
            found = [_rejected(each, str(about.get("reason"))) for each in _destination(told)]
        case "subscription" if _mapping(about.get("newTopicPreferences")).get("unsubscribeAll") is True:
            found = [Finding("unsubscribe", each) for each in _destination(told)]
        case _:
            found = []
    mail = _mapping(told.get("mail"))
    return [replace(each, message_id=_message_id(mail), token=token_in(str(mail.get("source")))) for each in found]


def _bounced(each: Mapping[str, Any], subtype: str) -> Finding:
    told, status, recipient = (
        str(each.get("diagnosticCode") or "").partition(";"),
        str(each.get("status") or ""),
        _address(each),
    )
    if subtype == "Transient General" and not told[0] and not status:
        return Finding("auto", recipient)
    if subtype == "Permanent UnsubscribedRecipient":
        return Finding("unsubscribe", recipient)
    context = _SUBTYPES.get(subtype.partition(" ")[2], "")
    if not context and not told[0] and not status:
        context = _SAYS_NO_MORE.get(subtype, "")
    judged = judging.judge(told[2] or told[0], status, context)
    return Finding(judged.kind, recipient, None, judged.code, judged.status, judged.diagnostic, judged.whose)


_SUBTYPES = {
    "NoEmail": "550 5.1.1 no such user",
    "MailboxFull": "552 5.2.2 mailbox full",
    "MessageTooLarge": "552 5.3.4 message too large",
    "ContentRejected": "554 message content rejected",
    "AttachmentRejected": "554 attachment rejected",
}
"""What the subtypes of a bounce mean, in a mail server's words."""
_SAYS_NO_MORE = {
    "Permanent General": "550 5.1.1 no such user",
    "Permanent Suppressed": "550 5.1.1 no such user",
    "Permanent OnAccountSuppressionList": "550 5.1.1 no such user",
}
"""What a bounce means of which SES tells no mail server's words: it sends nothing to that address again. A general one
that is transient may be a vacation note, which SES also calls a bounce."""


def _rejected(recipient: str, reason: str) -> Finding:
    judged = judging.judge(f"554 5.6.0 Amazon SES rejected the message: {reason}")
    return Finding(judged.kind, recipient, None, judged.code, judged.status, judged.diagnostic, judged.whose)


def _destination(told: Mapping[str, Any]) -> list[str]:
    """Whom the letter was for."""
    return [addresses.alone(str(each)) for each in _list(_mapping(told.get("mail")), "destination")]


def _address(each: Mapping[str, Any]) -> str:
    return addresses.alone(str(each.get("emailAddress") or ""))


def _message_id(mail: Mapping[str, Any]) -> str | None:
    headers = _mappings(mail, "headers")
    return next(
        (str(each.get("value"))[:250] for each in headers if str(each.get("name")).lower() == "message-id"), None
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(within: Mapping[str, Any], name: str) -> list[Any]:
    value = within.get(name)
    return value[:_RECIPIENTS] if isinstance(value, list) else []


def _mappings(within: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [each for each in _list(within, name) if isinstance(each, dict)]
