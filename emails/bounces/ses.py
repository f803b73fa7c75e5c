"""Reads the notifications of Amazon SES, which arrive as JSON, by mail or by webhook."""

import json
from collections.abc import Mapping
from typing import Any

from emails.bounces import addresses, judging
from emails.bounces.findings import Finding

_DEPTH = 6


def notification_in(text: str) -> dict[str, Any] | None:
    """The notification that a text begins with, without the envelope of SNS; or None."""
    start = text.lstrip()
    for _ in range(2):
        if not start.startswith("{") or start[:2000].count("{") > 200:
            return None
        try:
            found = json.JSONDecoder(strict=False).raw_decode(start)[0]
        except (ValueError, RecursionError):
            return None
        if isinstance(found.get("Message"), str):
            start = found["Message"].lstrip()
        elif "notificationType" in found or "eventType" in found:
            return found if isinstance(found, dict) else None
        else:
            return None
    return None


def findings(told: Mapping[str, Any]) -> list[Finding]:
    """What the notification says of each recipient. Fields of the wrong shape count as absent."""
    kind = str(told.get("notificationType") or told.get("eventType") or "").lower()
    mail = _mapping(told.get("mail"))
    about = _mapping(told.get(kind) or told.get("deliveryDelay" if kind == "deliverydelay" else kind))
    message_id = _header(mail, "message-id")
    match kind:
        case "bounce":
            bounced = _mappings(about.get("bouncedRecipients"))
            return [_bounced(each, about, message_id) for each in bounced]
        case "complaint":
            feedback = str(about.get("complaintFeedbackType") or "abuse").lower()
            their = [_address(each) for each in _mappings(about.get("complainedRecipients"))]
            blaming = feedback not in ("not-spam", "auth-failure")
            return [
                Finding("complaint" if blaming else "other", each, feedback=feedback, message_id=message_id)
                for each in their
            ]
        case "delivery":
            return [
                Finding("delivered", addresses.normal(str(each)), message_id=message_id)
                for each in _list(about.get("recipients"))
            ]
        case "deliverydelay":
            return [
                Finding("delayed", _address(each), message_id=message_id)
                for each in _mappings(about.get("delayedRecipients"))
            ]
    return []


def _bounced(each: Mapping[str, Any], about: Mapping[str, Any], message_id: str | None) -> Finding:
    told = str(each.get("diagnosticCode") or "").partition(";")
    judged = judging.judge(
        told[2] or told[0], str(each.get("status") or ""), _NAMED.get(str(about.get("bounceSubType")), "")
    )
    return Finding(
        judged.kind,
        _address(each),
        None,
        judged.code,
        judged.status,
        judged.diagnostic,
        judged.whose,
        message_id=message_id,
    )


_NAMED = {
    "NoEmail": "550 5.1.1 no such user",
    "MailboxFull": "552 5.2.2 mailbox full",
    "MessageTooLarge": "552 5.3.4 message too large",
    "ContentRejected": "554 message content rejected",
    "AttachmentRejected": "554 attachment rejected",
}
"""What the subtypes of a bounce mean, in a mail server's words."""


def _address(each: Mapping[str, Any]) -> str:
    return addresses.normal(str(each.get("emailAddress") or ""))


def _header(mail: Mapping[str, Any], name: str) -> str | None:
    found = [str(each.get("value")) for each in _mappings(mail.get("headers")) if str(each.get("name")).lower() == name]
    return found[0][:300] if found else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value[:1000] if isinstance(value, list) else []


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in _list(value) if isinstance(each, dict)]
