"""What Postmark and any program of the generic form tell about one recipient, as findings."""

import json

import pytest

from emails.bounces import forms
from emails.bounces.bad_form import BadForm

ALICE = "alice@reader.example"


def kinds(source: str, **told: object) -> list[tuple[str, str]]:
    return [(each.kind, each.recipient) for each in forms.read(source, json.dumps(told).encode())]


def postmark_bounce(kind: str, details: str = "") -> list[tuple[str, str]]:
    return kinds(
        "postmark", RecordType="Bounce", ID=42, Type=kind, TypeCode=1, Details=details, Email="Alice@Reader.example",
        MessageID="00000000-0000-0000-0000-000000000000", Inactive=True, CanActivate=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "details", "found"),
    [
        ("HardBounce", "smtp;550 5.1.1 The email account that you tried to reach does not exist.", "hard"),
        ("HardBounce", "test bounce", "hard"),
        ("HardBounce", "smtp;550 5.7.1 Message rejected due to local policy", "content"),
        ("HardBounce", "smtp;552 5.2.2 mailbox full", "soft"),
        ("BadEmailAddress", "", "hard"),
        ("SoftBounce", "", "soft"),
        ("Transient", "", "soft"),
        ("DnsError", "", "soft"),
        ("SpamNotification", "", "content"),
        ("Blocked", "", "content"),
        ("SpamComplaint", "", "complaint"),
        ("AutoResponder", "", "auto"),
        ("ChallengeVerification", "", "challenge"),
        ("Unsubscribe", "", "unsubscribe"),
        ("AddressChange", "", "other"),
        ("SomethingNew", "", "other"),
    ],
)
def test_the_types_of_postmarks_bounces(kind, details, found):
    assert postmark_bounce(kind, details) == [(found, "Alice@reader.example")]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"SuppressSending": True, "SuppressionReason": "HardBounce", "Origin": "Recipient"}, "hard"),
        ({"SuppressSending": True, "SuppressionReason": "SpamComplaint", "Origin": "Recipient"}, "complaint"),
        ({"SuppressSending": True, "SuppressionReason": "ManualSuppression", "Origin": "Recipient"}, "unsubscribe"),
        ({"SuppressSending": True, "SuppressionReason": "ManualSuppression", "Origin": "Admin"}, None),
        ({"SuppressSending": False, "SuppressionReason": None, "Origin": "Customer"}, None),
        ({"SuppressSending": "true", "SuppressionReason": "HardBounce"}, None),
    ],
)
def test_a_change_of_a_subscription_at_postmark(told, found):
    said = kinds("postmark", RecordType="SubscriptionChange", Recipient=ALICE, MessageID=None, **told)
    assert said == ([(found, ALICE)] if found else [])


def test_a_spam_complaint_at_postmark_and_what_says_nothing():
    assert kinds("postmark", RecordType="SpamComplaint", ID=1, Email=ALICE) == [("complaint", ALICE)]
    assert kinds("postmark", RecordType="Open", Recipient=ALICE) == []


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"kind": "bounce", "code": 550, "status": "5.1.1", "diagnostic": "no such user"}, "hard"),
        ({"kind": "bounce", "diagnostic": "552 5.2.2 mailbox full"}, "soft"),
        ({"kind": "bounce", "status": "5.7.1", "diagnostic": "rejected as spam"}, "content"),
        ({"kind": "bounce"}, "soft"),
        ({"kind": "hard"}, "hard"),
        ({"kind": "soft", "diagnostic": "550 5.1.1 no such user"}, "soft"),
        ({"kind": "content"}, "content"),
        ({"kind": "complaint"}, "complaint"),
        ({"kind": "unsubscribe"}, "unsubscribe"),
    ],
)
def test_the_generic_form(told, found):
    assert kinds("generic", recipient=ALICE, **told) == [(found, ALICE)]


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("generic", b"{}"),
        ("generic", b'{"kind": "hard"}'),
        ("generic", b'{"kind": "hard", "recipient": 7}'),
        ("generic", b'{"kind": "hard", "recipient": "nobody"}'),
        ("generic", b'{"kind": "hard", "recipient": "a@b.example", "code": "550"}'),
        ("generic", b'{"kind": "hard", "recipient": "a@b.example", "code": true}'),
        ("generic", b'{"kind": ["hard"], "recipient": "a@b.example"}'),
        ("generic", b'{"kind": "hard", "recipient": "a@b.example", "status": "a@b.example"}'),
        ("generic", b'{"kind": "hard", "recipient": "a@b.example", "status": "5.1.1\\u0000"}'),
        ("generic", b'{"kind": "hard", "recipient": "a@b.example", "status": "5.1.1\\n"}'),
        ("generic", b'{"kind": "unsubscribe", "message_id": "<x@y>"}'),
        ("generic", b"[" * 100_000),
        ("generic", b'{"a":' * 100_000),
        ("generic", b'{"a": ' + b"9" * 5000 + b"}"),
        ("generic", b"\xff{}"),
        ("generic", b"[]"),
        ("postmark", b"null"),
        ("postmark", b"{}"),
        ("postmark", b'{"RecordType": {}}'),
        ("postmark", b'{"RecordType": "Bounce", "Type": "HardBounce"}'),
        ("postmark", b'{"RecordType": "Bounce", "Email": ["a@b.example"], "Type": "HardBounce"}'),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence_that_quotes_nothing(source, body):
    with pytest.raises(BadForm) as refused:
        forms.read(source, body)
    assert str(refused.value).endswith(".")
    assert "b.example" not in str(refused.value)
