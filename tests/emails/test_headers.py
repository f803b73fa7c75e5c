"""Headers: any text comes back or is refused, and none ever makes a further header."""

import email
import email.policy
import re
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emails.messages import headers
from emails.messages.headers import Unwritable

HOSTILE = [
    "Larkspur\r\nBcc: everyone@example.com",
    "Larkspur\nBcc: everyone@example.com",
    "Larkspur\rBcc: everyone@example.com",
    "Larkspur\x00",
    "Larkspur\u2028Bcc: everyone@example.com",
    "Larkspur\u2029",
    "Larkspur\x85Bcc: everyone@example.com",
    "Larkspur\ud83d",
]
READABLE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(
    lambda text: " ".join(text.split()) == text
)


def read_back(raw: bytes, name: str) -> str:
    """The header as a mail reader shows it, from a message that must have no other header and no defect."""
    message = email.message_from_bytes(raw + b"\r\nbody\r\n", policy=email.policy.SMTP)
    assert message.keys() == [name]
    assert not message[name].defects
    return str(message[name])


def lines_hold(raw: bytes) -> None:
    assert raw.isascii()
    for line in raw.removesuffix(b"\r\n").split(b"\r\n"):
        assert len(line) <= 78
        assert line.strip()
    for word in re.findall(rb"=\?[^ ]*", raw):
        assert len(word) <= 75


@given(READABLE)
@example("😀" * 300)
@example("שלום עולם، مرحبا بالعالم")
@example("=?utf-8?Q?looks_encoded?=")
@example("x" * 2000)
@example("word " * 200 + "end")
def test_a_subject_comes_back(text: str) -> None:
    raw = headers.subject(text)
    lines_hold(raw)
    assert read_back(raw, "Subject") == text


@given(READABLE)
@example('The "Weekly" (AI), Tools; <Verdicts>')
@example("Zoë’s Verdicts " + "😀" * 300)
def test_a_display_name_comes_back(name: str) -> None:
    raw = headers.mailbox("From", name, "digest@verdicts.example")
    lines_hold(raw)
    # The newer parser of the standard library puts spaces between neighbouring encoded words of a name.
    message = email.message_from_bytes(raw + b"\r\n")
    assert message.keys() == ["From"]
    shown, address = parseaddr(re.sub(r"\r\n", "", message["From"]))
    assert str(make_header(decode_header(shown))) == name
    assert address == "digest@verdicts.example"


@pytest.mark.parametrize("text", HOSTILE)
def test_control_characters_are_refused_everywhere(text: str) -> None:
    for write in (
        lambda: headers.subject(text),
        lambda: headers.mailbox("From", text, "digest@verdicts.example"),
        lambda: headers.mailbox("From", "Verdicts", f"{text}@verdicts.example"),
        lambda: headers.structured("List-Id", text),
        lambda: headers.ascii_phrase(text),
        lambda: headers.address(f"alice@{text}"),
    ):
        with pytest.raises(Unwritable):
            write()


@pytest.mark.parametrize(
    "address",
    ["", "alice", "alice@", "@x.example", "a b@x.example", "alice@x.example, bob@x.example",
     "<alice@x.example>", "zoë@x.example", "alice@münchen.example", '"alice"@x.example',
     "a" * 65 + "@x.example", "a@" + "x" * 254],
)  # fmt: skip
def test_addresses_of_every_bad_shape_are_refused(address: str) -> None:
    with pytest.raises(Unwritable):
        headers.address(address)


def test_a_long_list_header_folds_only_after_a_comma() -> None:
    value = f"<https://verdicts.example/unsubscribe/{'x' * 40}>, <mailto:digest+unsubscribe@verdicts.example>"
    raw = headers.structured("List-Unsubscribe", value)
    assert raw == f"List-Unsubscribe: {value}\r\n".replace(", ", ",\r\n ").encode()


def test_a_list_name_keeps_to_ascii() -> None:
    assert headers.ascii_phrase("Zoë’s “Weekly” 😀") == "Zoes Weekly"
    assert headers.ascii_phrase("Tools, weekly") == '"Tools, weekly"'
    assert headers.ascii_phrase("ツール") == ""
    assert headers.ascii_phrase("Zoë’s Weekly, 週刊") == "Zoes Weekly"
    assert headers.ascii_phrase('The "Best" \\o/ <b>') == "The Best o/ b"
    assert headers.ascii_phrase("Ship or =?skip?=") == "Ship or skip"
    with pytest.raises(Unwritable, match="ASCII only"):
        headers.structured("List-Id", "Zoë <digest.verdicts.example>")
