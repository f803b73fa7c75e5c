"""A message: one letter, one reader, the bytes that a mail server gets."""

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.settings import Settings
from emails import letters, links
from emails.letters import Letter, mark
from emails.messages.headers import Unwritable
from emails.messages.message import EncodedLetter, Recipient, date_header
from emails.messages.sender_identity import SenderIdentity
from tests.emails.people import SITE, WEEK

KEYS = (b"a key of the house",)
ORIGIN = SenderIdentity("Weekly AI Tool Verdicts", "digest@verdicts.example", "https://verdicts.example")
WITH_INBOX = replace(ORIGIN, has_inbox=True)
LETTER = Letter(
    "digest",
    "Larkspur vs Second Pair",
    "Larkspur takes the panel.",
    f'<p>Ça va?</p>\n<a href="https://verdicts.example/unsubscribe/{mark("UNSUBSCRIBE")}">Unsubscribe</a>',
    f"Ça va?\n.\nUnsubscribe: https://verdicts.example/unsubscribe/{mark('UNSUBSCRIBE')}",
    "2026-W47",
)
DATE = date_header(datetime(2026, 11, 17, 8, 30, tzinfo=UTC))


def recipient(subscriber: int = 7, address: str = "alice@example.com", **marks: str) -> Recipient:
    token = links.sign(KEYS, "unsubscribe", subscriber, 70 + subscriber)
    bounce = links.sign(KEYS, "bounce", subscriber, 70 + subscriber)
    return Recipient(address, ORIGIN.message_id(bounce), ORIGIN.verp(bounce), {"UNSUBSCRIBE": token} | marks)


def parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_all_links_of_a_frozen_letter_lead_where_it_was_frozen_for_whatever_the_sender_runs_with() -> None:
    elsewhere = replace(ORIGIN, base_url="https://other.example")
    frozen = [
        letters.digest(WEEK, SITE),
        letters.welcome(SITE, "Every Tuesday"),
        letters.test(letters.digest(WEEK, SITE)),
    ]
    for letter in frozen:
        values = dict.fromkeys(letter.marks, "x" * 40)
        message = parsed(EncodedLetter(letter, elsewhere).message(recipient()._replace(marks=values), DATE))
        assert message["List-Unsubscribe"].startswith(f"<{SITE.base_url}/unsubscribe/x"), letter.kind
        assert "other.example" not in message.as_string()


def test_alice_reads_both_bodies_with_her_own_link() -> None:
    to = recipient()
    message = parsed(EncodedLetter(LETTER, ORIGIN).message(to, DATE))
    filled = LETTER.filled(to.marks)
    assert body(message, "plain") == filled.text + "\n"
    assert body(message, "html") == filled.html + "\n"
    assert message["To"] == "alice@example.com"
    assert message["Date"].datetime == datetime(2026, 11, 17, 8, 30, tzinfo=UTC)


def test_a_mailing_has_each_header_once_and_none_empty() -> None:
    message = parsed(EncodedLetter(LETTER, ORIGIN).message(recipient(), DATE))
    assert sorted(message.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "List-Id",
         "List-Unsubscribe", "List-Unsubscribe-Post", "List-Archive", "List-Help", "Feedback-ID", "Auto-Submitted"]
    )  # fmt: skip
    assert all(str(value).strip() for value in message.values())
    assert message["List-Id"] == "Weekly AI Tool Verdicts <digest.verdicts.example>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Feedback-ID"] == "2026-W47:digest:newsletter:verdicts-exampl"
    assert 5 <= len(message["Feedback-ID"].split(":")[3]) <= 15


def test_a_mailing_names_its_archive_and_a_person_who_answers() -> None:
    message = parsed(EncodedLetter(LETTER, ORIGIN).message(recipient(), DATE))
    assert message["List-Archive"] == "<https://verdicts.example/archive>"
    assert message["List-Help"] == "<mailto:digest@verdicts.example?subject=help>"
    answering = replace(ORIGIN, reply_to=("Mara", "mara+desk@newsroom.example"))
    message = parsed(EncodedLetter(LETTER, answering).message(recipient(), DATE))
    assert message["List-Help"] == "<mailto:mara+desk@newsroom.example?subject=help>"


def test_the_way_out_is_one_https_and_one_mailto_link() -> None:
    to = recipient()
    token = to.marks["UNSUBSCRIBE"]
    raw = EncodedLetter(LETTER, WITH_INBOX).message(to, DATE)
    assert (
        f"List-Unsubscribe: <https://verdicts.example/unsubscribe/{token}>,\r\n"
        f" <mailto:digest+unsubscribe@verdicts.example?subject={token}>\r\n"
    ).encode() in raw
    assert b"alice" not in raw.replace(b"To: alice@example.com", b"")


def test_without_an_inbox_nobody_is_asked_to_unsubscribe_by_mail() -> None:
    to = recipient()
    raw = EncodedLetter(LETTER, ORIGIN).message(to, DATE)
    [way_out] = parsed(raw).get_all("List-Unsubscribe")
    assert way_out == f"<https://verdicts.example/unsubscribe/{to.marks['UNSUBSCRIBE']}>"
    assert b"mailto:digest+" not in raw


def test_answers_go_to_the_person_who_is_named_for_them() -> None:
    def answered_by(**variables: str) -> str:
        given = Settings(mail_from="digest@verdicts.example", base_url="https://verdicts.example", **variables)
        raw = EncodedLetter(LETTER, SenderIdentity.of(given)).message(recipient(), DATE)
        return str(email.message_from_bytes(raw, policy=email.policy.default)["Reply-To"])

    assert answered_by() == "None"
    assert answered_by(mail_reply_to="ana@verdicts.example") == "ana@verdicts.example"
    assert answered_by(mail_reply_to="Zoë <ana@verdicts.example>") == "Zoë <ana@verdicts.example>"
    assert answered_by(mail_reply_to='"Ana, Ltd" <ana@verdicts.example>') == '"Ana, Ltd" <ana@verdicts.example>'


def test_a_relay_that_allows_one_sender_gets_our_own_address_alone() -> None:
    given = Settings(mail_from="Verdicts <digest@verdicts.example>", mail_bounce_domain="b.verdicts.example")
    assert SenderIdentity.of(given).verp("x" * 40) == f"b-{'x' * 40}@b.verdicts.example"
    bound = SenderIdentity.of(given.model_copy(update={"mail_verp": False}))
    assert bound.verp("x" * 40) == "digest@verdicts.example"
    long = "a-very-long-newsletter-name@verdicts.example"
    assert replace(bound, address=long, bounce_domain=None).verp("x" * 40) == long


def test_a_letter_that_is_no_mailing_has_no_list_headers() -> None:
    letter = replace(LETTER, kind="confirm", html=mark("CONFIRM"), text=mark("CONFIRM"))
    message = parsed(EncodedLetter(letter, ORIGIN).message(recipient(CONFIRM="x" * 40), DATE))
    assert not [name for name in message if name.startswith(("List-", "Feedback"))]


def test_the_bytes_are_clean_for_every_road() -> None:
    raw = EncodedLetter(LETTER, ORIGIN).message(recipient(), DATE)
    assert raw.isascii()
    assert b"\0" not in raw
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    head, _, bodies = raw.partition(b"\r\n\r\n")
    assert max(map(len, head.split(b"\r\n"))) < 200  # a URI is never folded
    assert max(map(len, bodies.split(b"\r\n"))) <= 76
    assert b"\n." not in raw
    assert raw.endswith(b"--\r\n")


def test_mime_is_text_then_html_without_a_defect() -> None:
    message = parsed(EncodedLetter(LETTER, ORIGIN).message(recipient(), DATE))
    assert message.get_content_type() == "multipart/alternative"
    parts = [part for part in message.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert [part.get_content_charset() for part in parts] == ["utf-8", "utf-8"]
    assert not any(part.defects for part in message.walk())


def test_each_reader_has_a_message_id_and_a_return_path_of_their_own() -> None:
    alice, bob = recipient(7), recipient(8)
    assert alice.message_id != bob.message_id
    assert alice.sender != bob.sender
    assert alice == recipient(7)
    assert alice.message_id.endswith("@verdicts.example>")
    assert links.read(KEYS, "bounce", alice.sender.split("+b-")[1].split("@")[0]) == (7, 77)


def test_the_return_path_can_have_a_domain_of_its_own() -> None:
    origin = replace(ORIGIN, bounce_domain="bounce.verdicts.example")
    assert origin.verp("x" * 40) == f"b-{'x' * 40}@bounce.verdicts.example"


def test_the_same_letter_gives_the_same_bytes() -> None:
    assert EncodedLetter(LETTER, ORIGIN).message(recipient(), DATE) == EncodedLetter(LETTER, ORIGIN).message(
        recipient(), DATE
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"address": "alice@example.com\r\nBcc: bob@example.com"},
        {"address": "zoë@example.com"},
        {"message_id": "<a@b>\r\nX: y"},
        {"message_id": "no-brackets@verdicts.example"},
        {"marks": {"UNSUBSCRIBE": "x\r\n.\r\n"}},
        {"marks": {"UNSUBSCRIBE": ".dot"}},
        {"marks": {"UNSUBSCRIBE": "a=b"}},
        {"marks": {"UNSUBSCRIBE": "<b>"}},
        {"marks": {"UNSUBSCRIBE": "x" * 71}},
        {"marks": {"UNSUBSCRIBE": "ends in a space "}},
        {"marks": {"UNSUBSCRIBE": "From me"}},
        {"marks": {}},
    ],
)
def test_a_recipients_values_cannot_break_out(bad: dict[str, object]) -> None:
    with pytest.raises(Unwritable):
        EncodedLetter(LETTER, ORIGIN).message(recipient()._replace(**bad), DATE)  # type: ignore[arg-type]


@given(st.text(), st.text(), st.text())
def test_hostile_words_never_make_a_further_header(name: str, subject: str, about: str) -> None:
    letter = replace(LETTER, subject=subject, about=about)
    try:
        raw = EncodedLetter(letter, SenderIdentity(name, ORIGIN.address, ORIGIN.base_url)).message(recipient(), DATE)
    except Unwritable:
        return
    plain = EncodedLetter(LETTER, ORIGIN).message(recipient(), DATE)
    assert parsed(raw).keys() == parsed(plain).keys()


def test_an_origin_is_read_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_FROM", "Zoë’s Verdicts <digest@verdicts.example>")
    monkeypatch.setenv("BASE_URL", "https://verdicts.example")
    assert SenderIdentity.of(Settings.read()).name == "Zoë’s Verdicts"
    monkeypatch.setenv("MAIL_FROM", "digest@verdicts.example")
    assert SenderIdentity.of(Settings.read()) == ORIGIN


def test_a_mail_from_that_leaves_no_room_for_bounces_says_so() -> None:
    with pytest.raises(Unwritable, match="Shorten it, or set MAIL_BOUNCE_DOMAIN"):
        SenderIdentity("Verdicts", "a-very-long-newsletter-name@verdicts.example", "https://verdicts.example")


def test_a_date_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        date_header(datetime(2026, 11, 17, 8, 30))  # noqa: DTZ001
