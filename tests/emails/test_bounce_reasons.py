"""Whom a bounce's words and codes give up, and how addresses, JSON and pages in it are read."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from emails.bounces import addresses, html_text, ses
from emails.bounces.judging import KINDS, judge
from emails.replies.whose import whose_is

REPLIES = yaml.load((Path(__file__).parent / "replies.yaml").read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.1.8 <news@verdicts.example>: Sender address rejected: Domain not found",
        "553 5.1.8 Domain of sender address news@verdicts.example does not exist",
        "550 no MX for sender domain",
        "550 5.7.1 Server does not accept mail from your IP",
        "550 5.4.5 Daily sending quota exceeded",
        "553 http://www.spamhaus.org/query/bl?ip=192.0.2.222",
        "550-5.7.26 Unauthenticated email is not accepted due to domain's DMARC policy.",
        "450 4.1.1 <alice@reader.example>: User unknown",
        "550 5.7.1 Unknown user (in reply to end of DATA command)",
        "550 : User unknown",
        "Host not found, try again",
        "552 5.2.2 mailbox full",
        "Quota der Mailbox überschritten",
        "La boîte du destinataire est pleine",
        "El buzón del destinatario está lleno",
        "A caixa do destinatário está cheia",
        "La casella del destinatario è piena",
        "Het postvak is vol",
        "Skrzynka odbiorcy jest pełna",
        "受信者のメールボックスがいっぱいです。",
        "收件人的邮箱已满。",
        "",
    ],
)
def test_nobodys_address_is_given_up_for_this(reply: str) -> None:
    assert judge(reply).kind != "hard"


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("550 5.1.1 <alice@reader.example>... User unknown", ""),
        ("550 No such user", "5.1.1"),
        ("551 not our customer", "5.1.6"),
        ("Unrouteable address", "5.0.0"),
        ("Host or domain name not found. Name service error for name=gone.example type=A: Host not found", "5.4.4"),
        ("Domain gone.example does not accept mail (nullMX)", "5.1.0"),
        ("550 <alice@reader.example>: no such user here", ""),
        ("Empfängeradresse existiert nicht", ""),
        ("L'adresse que vous avez donnée est introuvable.", ""),
        ("No se encontró la dirección.", ""),
        ("O endereço que você digitou não foi encontrado.", ""),
        ("Impossibile trovare l'indirizzo.", ""),
        ("Het adres bestaat niet.", ""),
        ("Odbiorca jest nieznany.", ""),
        ("宛先のメールアドレスが見つかりませんでした。", ""),
        ("收件人不存在。", ""),
    ],
)
def test_the_address_is_given_up_for_this(reply: str, status: str) -> None:
    assert judge(reply, status).kind == "hard"


@pytest.mark.parametrize(
    ("spelled", "address"),
    [
        ("rfc822; <Alice@Reader.EXAMPLE>", "Alice@reader.example"),
        ("RFC822;alice@reader.example (Alice)", "alice@reader.example"),
        (r"utf-8; \x{E4}lise@bücher.example", "älise@xn--bcher-kva.example"),
        ("rfc822; @gate.example:alice@reader.example", "alice@reader.example"),
        ('rfc822; "alice smith"@reader.example', '"alice smith"@reader.example'),
        ("rfc822; o'brien@reader.example", "o'brien@reader.example"),
        ("rfc822; 'alice@reader.example'", "alice@reader.example"),
        ("rfc822; alice@[192.0.2.1]", "alice@[192.0.2.1]"),
        ("rfc822; =?utf-8?b?8J+QiA==?=@reader.example", "🐈@reader.example"),
        ("rfc822; |/usr/bin/filter alice@reader.example /var/alice", "alice@reader.example"),
        ("X400; /G=Alice/O=Reader/C=GB/", ""),
    ],
)
def test_an_address_is_read_however_a_report_spells_it(spelled: str, address: str) -> None:
    assert addresses.typed(spelled) == address


def test_a_reply_means_in_a_bounce_what_it_means_to_the_sender() -> None:
    replies = [each["reply"] for each in REPLIES if each["stage"] == "rcpt"][:150]
    judged = {each: judge(f"{each} (in reply to RCPT TO command)").kind for each in replies}
    assert judged == {each: KINDS[whose_is("rcpt", int(each[:3]), each)] for each in replies}


def test_what_amazon_tells_in_json_is_read_alike_by_mail_and_in_the_envelope_of_sns() -> None:
    bounced = {
        "emailAddress": "alice@reader.example",
        "status": "5.1.1",
        "diagnosticCode": "smtp; 550 5.1.1 no such user",
    }
    told = {
        "notificationType": "Bounce",
        "bounce": {"bounceType": "Permanent", "bouncedRecipients": [bounced]},
        "mail": {"headers": [{"name": "Message-ID", "value": "<letter-7@verdicts.example>"}]},
    }
    for text in (json.dumps(told), json.dumps({"Type": "Notification", "Message": json.dumps(told)})):
        found = ses.notification_in(text)
        assert found
        (finding,) = ses.findings(found)
        assert (finding.kind, finding.recipient, finding.status) == ("hard", "alice@reader.example", "5.1.1")
        assert finding.message_id == "<letter-7@verdicts.example>"


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (
            {"eventType": "Complaint", "complaint": {"complainedRecipients": [{"emailAddress": "bob@reader.example"}]}},
            [("complaint", "bob@reader.example")],
        ),
        (
            {
                "notificationType": "Bounce",
                "bounce": {
                    "bounceSubType": "MailboxFull",
                    "bouncedRecipients": [{"emailAddress": "bob@reader.example"}],
                },
            },
            [("soft", "bob@reader.example")],
        ),
        (
            {"notificationType": "Delivery", "delivery": {"recipients": ["bob@reader.example"]}},
            [("delivered", "bob@reader.example")],
        ),
        ({"notificationType": "Bounce", "bounce": 3, "mail": []}, []),
        ({"notificationType": ["Bounce"], "bounce": {"bouncedRecipients": "all"}}, []),
        ({"notificationType": "Bounce", "bounce": {"bouncedRecipients": [None, 7, {}]}}, [("soft", "")]),
    ],
)
def test_json_of_any_shape_is_read(told: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert [(each.kind, each.recipient) for each in ses.findings(told)] == found


def test_the_words_of_a_page_are_its_text() -> None:
    page = (
        "<head><title>no</title></head><STYLE>p{}</style><header>Sorry&nbsp;&lt;a@b.example&gt;</header><p>550<br>gone"
    )
    assert html_text.text_of(page).split("\n") == ["Sorry <a@b.example>", "550", "gone"]
