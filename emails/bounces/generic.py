"""Reads the generic form: what any program may post about one recipient (docs/operators.md shows it)."""

import re
from collections.abc import Mapping
from typing import Any, cast

from emails.bounces import addresses, judging
from emails.bounces.bad_form import BadForm
from emails.bounces.findings import Finding, Kind

KINDS = ("bounce", "hard", "soft", "content", "complaint", "unsubscribe")
"""`bounce` leaves it to the mail server's words, its code and its status what kind of bounce it is."""
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)
"""It is kept for years beside the letter, so nothing else may stand in it, least of all an address."""


def findings(told: Mapping[str, Any]) -> list[Finding]:
    """What the message says. Raises BadForm if a field is missing, or is not what it has to be."""
    kind, recipient = told.get("kind"), addresses.alone(_text(told, "recipient"))
    message_id = _text(told, "message_id") or None
    if kind not in KINDS:
        raise BadForm(f"kind is none of: {', '.join(KINDS)}.")
    if not recipient and (message_id is None or kind == "unsubscribe"):
        raise BadForm("recipient is no email address.")
    if kind in ("complaint", "unsubscribe"):
        return [Finding(cast(Kind, kind), recipient, message_id=message_id, feedback=_feedback(str(kind)))]
    code, status = _code(told), _status(told)
    said = _text(told, "diagnostic")
    judged = judging.judge(said if said[:1] in "45" else f"{code or ''} {status} {said}".strip(), status)
    chosen = judged.kind if kind == "bounce" else cast(Kind, kind)
    whose = judged.whose if judging.KINDS[judged.whose] == chosen else None
    return [
        Finding(
            chosen, recipient, None, code or judged.code, status or judged.status, judged.diagnostic, whose,
            message_id=message_id,
        )
    ]  # fmt: skip


def _feedback(kind: str) -> str | None:
    return "abuse" if kind == "complaint" else None


def _code(told: Mapping[str, Any]) -> int | None:
    code = told.get("code")
    if code is None:
        return None
    if not isinstance(code, int) or isinstance(code, bool) or not 200 <= code <= 599:
        raise BadForm("code is no SMTP reply code.")
    return code


def _status(told: Mapping[str, Any]) -> str:
    status = _text(told, "status")
    if status and not _STATUS.fullmatch(status):
        raise BadForm("status is no enhanced status code, such as 5.1.1.")
    return status


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadForm(f"{name} is no text.")
    return value[:2000]
