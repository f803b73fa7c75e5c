"""The bounce reader on mails written for these tests, in the forms of many mail servers, and on bytes of any kind."""

import json
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emails import links
from emails.bounces import Finding, addresses, read
from emails.bounces.judging import judge
from emails.sender_identity import SenderIdentity
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
        "550 5.7.1 <alice@reader.example>: Recipient address rejected: User unknown",
        "550 : User unknown",
        "Host not found, try again",
        "552 5.2.2 mailbox full",
        "Quota der Mailbox überschritten",
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
    ],
)
def test_the_address_is_given_up_for_this(reply: str, status: str) -> None:
    assert judge(reply, status).kind == "hard"


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


def test_a_bounce_in_a_bounce_is_read_from_the_inner_one() -> None:
    outer = (
        "From: postmaster@gate.example\nTo: news@verdicts.example\nSubject: Mail could not be delivered\n"
        'Content-Type: multipart/mixed; boundary="o"\n\n--o\n\nSee below.\n\n--o\nContent-Type: message/rfc822\n\n'
    )
    (found,) = read(outer.encode() + _mail("sendmail-unknown") + b"\n--o--\n")
    assert (found.kind, found.recipient, found.token) == ("hard", "alice@reader.example", TOKEN)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.binary(max_size=2000))
def test_no_bytes_break_it(raw: bytes) -> None:
    _holds(read(raw))


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(EXPECTED)), st.integers(0, 3000), st.integers(0, 400), st.binary(max_size=40))
def test_no_damage_to_a_mail_breaks_it(name: str, at: int, length: int, put: bytes) -> None:
    raw = _mail(name.removesuffix(".eml"))
    _holds(read(raw[:at] + put + raw[at + length :]))
    _holds(read(raw[:at] + raw[at : at + length] * 3 + raw[at:]))


def _holds(found: tuple[Finding, ...]) -> None:
    assert found
    for each in found:
        assert each.diagnostic.isprintable()
        assert len(each.diagnostic) <= 500
        assert each.recipient.count("@") <= 1 or each.recipient.startswith('"')
        each.recipient.encode()


HEAD = b"From: MAILER-DAEMON@x.example\nSubject: Undelivered mail\n"
MULTIPART = HEAD + b'Content-Type: multipart/report; boundary="b"\n\n'
STATUS = b"--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\n\n"
BOMBS = {
    "ten thousand parts": MULTIPART + STATUS * 10_000,
    "parts in parts": HEAD
    + b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (i, i) for i in range(10_000)),
    "bounces in bounces": b"".join(HEAD + b"Message-ID: <1@x>\n\n-- original message follows\n" for _ in range(10_000)),
    "a word of 4 MiB": HEAD + b"\n" + b"a@" * 2**21,
    "brackets": HEAD + b"Content-Type: text/html\n\n" + b"<style <" * 2**19,
    "a header that never ends": HEAD + b"To: " + b"a@b.example,\n " * 2**18,
    "recipients": HEAD + b"\n" + b"".join(b"<a%d@b.example>: 550 user mailbox full quota\n" % i for i in range(20_000)),
    "brackets of JSON": HEAD + b'\n{"notificationType":' + b"[" * 2**21,
    "a charset that takes long": HEAD + b"Content-Type: text/plain; charset=punycode\n\n" + b"a-" * 2**20,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_little_time(name: str) -> None:
    began = process_time()
    _holds(read(BOMBS[name]))
    assert process_time() - began < 5  # most take 0.05 s
