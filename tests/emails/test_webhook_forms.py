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
        ("generic", b'{"kind": "hard", "recipient": "a@b.example", "score": NaN}'),
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


# ---- Amazon SES: examples of its Developer Guide, in short ------------------------------------------------------

SENT = {"source": "News <news@verdicts.example>", "messageId": "0102", "destination": [ALICE]}


def ses(kind: str, about: dict | None = None, **mail: object) -> list[tuple[str, str]]:
    """What SES tells, in the two forms that it has: notifications of an identity, and events of a configuration set."""
    name = {"DeliveryDelay": "deliveryDelay", "Rendering Failure": "failure"}.get(kind, kind.lower())
    found = [
        kinds("ses", **{form: kind, name: about or {}, "mail": SENT | mail})
        for form in ("notificationType", "eventType")
    ]
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("kind", "subtype", "told", "found"),
    [
        ("Permanent", "General", {"status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"}, "hard"),
        ("Permanent", "General", {"status": "5.7.1", "diagnosticCode": "smtp; 550 5.7.1 rejected as spam"}, "content"),
        ("Permanent", "General", {"status": "5.0.0", "diagnosticCode": "smtp; 554 delivery error"}, "soft"),
        ("Permanent", "General", {}, "hard"),
        ("Permanent", "NoEmail", {}, "hard"),
        ("Permanent", "Suppressed", {}, "hard"),
        ("Permanent", "OnAccountSuppressionList", {}, "hard"),
        ("Permanent", "UnsubscribedRecipient", {}, "unsubscribe"),
        ("Transient", "MailboxFull", {"status": "5.2.2", "diagnosticCode": "smtp; 552 5.2.2 over quota"}, "soft"),
        ("Transient", "General", {"status": "4.4.7", "diagnosticCode": "smtp; 554 4.4.7 expired"}, "soft"),
        ("Transient", "General", {}, "auto"),
        ("Transient", "ContentRejected", {}, "content"),
        ("Undetermined", "Undetermined", {}, "soft"),
    ],
)
def test_the_bounces_of_ses(kind, subtype, told, found):
    recipients = [{"emailAddress": ALICE} | told]
    about = {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": recipients, "feedbackId": "0101"}
    assert ses("Bounce", about) == [(found, ALICE)]


def test_the_other_events_of_ses():
    complained = {"complainedRecipients": [{"emailAddress": ALICE}], "complaintFeedbackType": "abuse"}
    assert ses("Complaint", complained) == [("complaint", ALICE)]
    assert ses("Complaint", complained | {"complaintFeedbackType": "not-spam"}) == [("other", ALICE)]
    assert ses("Complaint", complained | {"complaintFeedbackType": None}) == [("complaint", ALICE)]
    assert ses("Delivery", {"recipients": [ALICE], "smtpResponse": "250 ok"}) == [("delivered", ALICE)]
    late = {"delayType": "MailboxFull", "delayedRecipients": [{"emailAddress": ALICE, "status": "4.2.2"}]}
    assert ses("DeliveryDelay", late) == [("delayed", ALICE)]
    assert ses("Reject", {"reason": "Bad content"}) == [("content", ALICE)]
    left = {"contactList": "Readers", "source": "UnsubscribeHeader", "newTopicPreferences": {"unsubscribeAll": True}}
    assert ses("Subscription", left) == [("unsubscribe", ALICE)]
    assert ses("Subscription", left | {"newTopicPreferences": {"unsubscribeAll": False}}) == []
    for nothing in ("Send", "Open", "Click", "Rendering Failure", "AmazonSnsSubscriptionSucceeded"):
        assert ses(nothing) == []


def test_ses_names_the_letter_by_its_return_path():
    told = {"notificationType": "Delivery", "delivery": {"recipients": [ALICE]}}
    mail = SENT | {"source": f"news+b-{'0a' * 20}@verdicts.example"}
    [found] = forms.read("ses", json.dumps(told | {"mail": mail}).encode())
    assert found.token == "0a" * 20


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"bob@reader.example" <alice@reader.example>', ALICE),
        ("Reader, Alice <alice@reader.example>", ALICE),
        (" mailto:alice@Reader.example ", ALICE),
        ("rfc822; alice@reader.example", ALICE),
        ("alice@reader.example (mailbox full)", ALICE),
        ("bob@reader.example, alice@reader.example", ""),
        ("<bob@reader.example> <alice@reader.example>", ""),
        ("not alice@reader.example", ""),
        ("mal\0alice@reader.example", ""),
        ("bob@alice@reader.example", ""),
        ("x" * 200 + "alice@reader.example", ""),
    ],
)
def test_nobody_is_guessed_out_of_the_field_of_a_recipient(written, meant):
    assert [each for _, each in ses("Bounce", {"bouncedRecipients": [{"emailAddress": written}]})] == [meant]
    for source, told in (
        ("generic", {"kind": "hard", "recipient": written}),
        ("postmark", {"RecordType": "SpamComplaint", "Email": written}),
    ):
        if meant:
            assert [recipient for _, recipient in kinds(source, **told)] == [meant]
        else:
            with pytest.raises(BadForm, match="recipient"):
                kinds(source, **told)
