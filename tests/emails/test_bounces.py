"""The bounce reader on mails written for these tests, in the forms of many mail servers."""

import json
from pathlib import Path

import pytest

from emails import links
from emails.bounces import read
from emails.messages.sender_identity import SenderIdentity
from tests.bench.bounces import figures, scores

FOLDER = Path(__file__).parent / "bounces"
EXPECTED = {row["file"]: row for row in map(json.loads, (FOLDER / "expected.jsonl").read_text().splitlines())}
HARMLESS = {
    "vacation": "auto",
    "read-receipt": "auto",
    "challenge": "challenge",
    "reply": "reply",
    "question": "other",
    "unsubscribe": "unsubscribe",
    "delivered": "delivered",
    "arf-not-spam": "other",
    "arf-auth-failure": "other",
}
TOKEN = "0123456789abcdef0123456789abcdef01234567"
LEAVE = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AB"


def _mail(name: str) -> bytes:
    return (FOLDER / "mails" / f"{name}.eml").read_bytes()


def test_each_mail_is_understood_and_names_its_recipients() -> None:
    found = list(scores(FOLDER))
    assert {each.file for each in found} == {path.name for path in (FOLDER / "mails").iterdir()}
    assert [each.file for each in found if each.kind != each.expected["kind"] or not each.recipients_right] == []
    assert set(figures(found).values()) == {1.0}


def test_what_harms_nobody_is_told_apart() -> None:
    for name in EXPECTED:
        wanted = next((kind for start, kind in HARMLESS.items() if name.startswith(start)), None)
        if wanted:
            assert [each.kind for each in read(_mail(name.removesuffix(".eml")))] == [wanted], name


def test_a_warning_that_a_letter_is_late_is_no_bounce() -> None:
    late = [name for name, row in EXPECTED.items() if row["reason"] == "delayed"]
    assert len(late) == 4
    for name in late:
        assert [each.kind for each in read(_mail(name.removesuffix(".eml")))] == ["delayed"], name


def test_our_own_address_is_not_taken_for_the_recipient_s() -> None:
    words = "The mail of news@verdicts.example could not be delivered to bob@reader.example: mailbox full."
    mail = f"From: postmaster@x.example\nTo: news+b-{TOKEN}@verdicts.example\nSubject: Undeliverable\n\n{words}\n"
    assert [(each.recipient, each.kind) for each in read(mail.encode())] == [("bob@reader.example", "soft")]


@pytest.mark.parametrize("name", ["postfix-unknown", "qmail-full", "arf-abuse"])
def test_line_ends_and_a_mailbox_file_s_first_line_change_nothing(name: str) -> None:
    raw = _mail(name)
    for other in (
        raw.replace(b"\n", b"\r\n"),
        raw.replace(b"\n", b"\r"),
        b"From MAILER-DAEMON Mon Nov  2 2026\n" + raw,
    ):
        assert read(other) == read(raw)


def test_two_recipients_have_two_findings() -> None:
    alice, bob = read(_mail("postfix-two"))
    assert (alice.recipient, alice.kind, alice.status) == ("alice@reader.example", "hard", "5.1.1")
    assert (bob.recipient, bob.kind, bob.whose) == ("bob@reader.example", "soft", "mailbox")


def test_the_reason_is_one_line_with_its_codes() -> None:
    (found,) = read(_mail("exim-unknown"))
    assert found.code == 550
    assert found.diagnostic == "550 no such mailbox"
    (found,) = read(_mail("gmail-unsigned"))
    assert (found.code, found.status, found.whose) == (550, "5.7.26", "sender")


def test_a_complaint_says_its_type_and_whom_it_is_about_even_when_the_address_is_blackened() -> None:
    (found,) = read(_mail("arf-redacted"))
    assert (found.kind, found.feedback, found.recipient) == ("complaint", "abuse", "")
    assert (found.token, found.message_id, found.unsubscribe_token) == (TOKEN, "<letter-7@verdicts.example>", LEAVE)


@pytest.mark.parametrize("name", ["postfix-unknown", "qmail-full", "exchange-2003", "office365-de", "vacation-rfc3834"])
def test_the_letter_is_known_by_its_return_path_and_its_message_id(name: str) -> None:
    found = read(_mail(name))[0]
    assert (found.token, found.message_id) == (TOKEN, "<letter-7@verdicts.example>")


def test_a_mail_to_unsubscribe_carries_the_token_of_its_subject() -> None:
    (found,) = read(_mail("unsubscribe"))
    assert (found.recipient, found.unsubscribe_token) == ("alice@reader.example", LEAVE)


@pytest.mark.parametrize("domain", [None, "bounce.verdicts.example"])
def test_our_own_return_path_is_found_whatever_case_a_server_wrote_it_in(domain: str | None) -> None:
    keys = [b"the key of the house, long enough"]
    identity = SenderIdentity("Verdicts", "news@verdicts.example", "https://verdicts.example", domain)
    path = identity.verp(links.sign(keys, "bounce", 7, 12))
    for to in (path, path.upper(), f"SRS0=a1b2=cd=verdicts.example={path.partition('@')[0]}@forwarder.example"):
        mail = f"From: MAILER-DAEMON@mx.example\nTo: <{to}>\nSubject: failure notice\n\n<a@reader.example>:\nno\n"
        token = read(mail.encode())[0].token
        assert token is not None
        assert links.read(keys, "bounce", token) == (7, 12)


@pytest.mark.parametrize(
    "words",
    [
        "I ship both.",
        "Your last one could not be delivered, they said, because my mailbox is full. bob@reader.example is better.",
        "> The editor that was rejected\n\nNo such user would want it: 550 5.1.1 user unknown!",
    ],
)
def test_an_answer_of_a_person_is_no_bounce_even_from_postmaster(words: str) -> None:
    for person in ("Ann <ann@tiny.example>", "Ann <postmaster@tiny.example>"):
        mail = f"From: {person}\nTo: news@verdicts.example\nSubject: Re: Which editor?\nIn-Reply-To: <1@x>\n\n{words}\n"
        assert read(mail.encode())[0].kind == "reply"


@pytest.mark.parametrize(
    "header",
    ["Subject: Fwd: Undeliverable: Which editor?", "Subject: Error message\nIn-Reply-To: <1@verdicts.example>"],
)
def test_what_a_person_sends_with_a_letter_or_a_bounce_attached_is_for_a_person_to_read(header: str) -> None:
    for attached in ("sendmail-unknown", "arf-abuse"):
        mail = (
            f"From: Ann <ann@tiny.example>\nTo: news@verdicts.example\n{header}\n"
            'Content-Type: multipart/mixed; boundary="o"\n\n--o\n\nYour letters bounce, they say: user unknown.\n\n'
            "--o\nContent-Type: message/rfc822\n\n"
        )
        assert read(mail.encode() + _mail(attached) + b"\n--o--\n")[0].kind in ("reply", "other")


def test_a_letter_that_is_quoted_to_the_unsubscribe_address_unsubscribes_nobody() -> None:
    mail = (
        "From: eve@tiny.example\nTo: news+unsubscribe@verdicts.example\nSubject: Fwd: Which editor?\n\nSee this.\n\n"
        "---------- Original message ----------\nFrom: news@verdicts.example\nMessage-ID: <1@verdicts.example>\n"
        f"List-Unsubscribe: <https://verdicts.example/unsubscribe/{LEAVE}>\nSubject: Which editor?\n\nShip or skip?\n"
    )
    (found,) = read(mail.encode())
    assert (found.kind, found.unsubscribe_token) == ("unsubscribe", None)


def test_a_bounce_in_a_bounce_is_read_from_the_inner_one() -> None:
    outer = (
        "From: postmaster@gate.example\nTo: news@verdicts.example\nSubject: Mail could not be delivered\n"
        'Content-Type: multipart/mixed; boundary="o"\n\n--o\n\nSee below.\n\n--o\nContent-Type: message/rfc822\n\n'
    )
    (found,) = read(outer.encode() + _mail("sendmail-unknown") + b"\n--o--\n")
    assert (found.kind, found.recipient, found.token) == ("hard", "alice@reader.example", TOKEN)
