"""Reads an event in the form of its source: a mail, or the JSON of a provider."""

import json
from typing import Any

from emails.bounces import generic, postmark, ses
from emails.bounces.bad_form import BadForm
from emails.bounces.findings import Finding
from emails.bounces.plain_json import plain
from emails.bounces.reader import read as read_mail


def read(source: str, raw: bytes) -> tuple[Finding, ...]:
    """The findings of an event. Raises BadForm for JSON that is none; a mail is never refused."""
    match source:
        case "ses":
            told = ses.notification_in(raw.decode("utf-8", "replace"))
            return tuple(ses.findings(told)) if told else ()
        case "postmark":
            return tuple(postmark.findings(fields(raw)))
        case "generic":
            return tuple(generic.findings(fields(raw)))
    return read_mail(raw)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON (RFC 8259, section 6)")


def fields(raw: bytes) -> dict[str, Any]:
    """The JSON object in these bytes. Raises BadForm if there is none, or one nested deeper than anybody writes."""
    try:
        found = json.loads(raw.decode("utf-8"), parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()  # fails at half a surrogate pair, which no text can hold
    except RecursionError:
        raise BadForm("The JSON is nested too deeply.") from None
    except ValueError:
        raise BadForm("The body is no JSON in UTF-8.") from None
    if not isinstance(found, dict):
        raise BadForm("The JSON is no object.")
    return dict(plain(found))
