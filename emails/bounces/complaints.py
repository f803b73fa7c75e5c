"""Reads complaints: feedback reports (RFC 5965), and those that providers write in forms of their own."""

from emails.bounces import addresses, automatic, returned
from emails.bounces.findings import Finding, Kind
from emails.bounces.mime import Part

_HARMLESS = ("not-spam", "auth-failure", "dmarc")
"""The types that are no complaint of a reader: one takes it back, the others are ours to mend."""

_RECIPIENTS = ("original-rcpt-to", "removal-recipient", "x-hmxmroriginalrecipient")


def complaints(mail: Part, leaves: list[Part], letter: Part | None) -> list[Finding]:
    """A finding for each recipient that complains, or none if the mail is no complaint. A person may forward one."""
    if mail.type != "multipart/report" and automatic.is_a_persons(mail):
        return []
    for each in leaves:
        if each.type == "message/feedback-report":
            return _reported(each, letter)
    if letter and (original := letter.get("x-hmxmroriginalrecipient")):
        return [Finding("complaint", recipient=addresses.normal(original), feedback="abuse")]
    return []


def kind_of(feedback: str) -> Kind:
    """What a report with this Feedback-Type is."""
    return "other" if feedback in _HARMLESS else "complaint"


def _reported(part: Part, letter: Part | None) -> list[Finding]:
    fields: dict[str, list[str]] = {}
    for line in part.text.split("\n")[:500]:
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), []).append(value.strip())
    feedback = (fields.get("feedback-type") or ["abuse"])[0].lower()
    named = [addresses.normal(value) for name in _RECIPIENTS for value in fields.get(name, [])]
    found = list(dict.fromkeys(filter(None, named))) or returned.recipients(letter) or [""]
    return [Finding(kind_of(feedback), recipient=each, feedback=feedback) for each in found]
