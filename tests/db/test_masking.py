"""An address is masked however a text spells it, and no other person's with it."""

import base64
from urllib.parse import quote

import pytest

from db.masking import masked, masked_fields, masked_in, masked_of

ALICE = "Alice.B+news@reader.example"
LOCAL, DOMAIN = ALICE.split("@")
SPELLINGS = {
    "as it is": ALICE,
    "in capitals": ALICE.upper(),
    "in a server's brackets": f"<{ALICE.lower()}>",
    "as a parameter": f"rcpt={ALICE},",
    "as a link": f"mailto:{quote(ALICE)}?subject=Hello",
    "percent-encoded": quote(ALICE, safe=""),
    "percent-encoded twice": quote(quote(ALICE, safe=""), safe=""),
    "quoted-printable": ALICE.replace("@", "=40"),
    "as an HTML entity": ALICE.replace("@", "&#64;"),
    "as a hexadecimal entity": ALICE.replace("@", "&#x40;"),
    "escaped in JSON": ALICE.replace("@", "\\u0040"),
    "escaped in Python": ALICE.replace("@", "\\x40"),
    "with a wide at sign": ALICE.replace("@", "＠"),
    "with a quoted name": f'"{LOCAL}"@{DOMAIN}',
    "at a sentence's end": f"We know no {ALICE}. Try again",
    "with no space behind it": f"{ALICE}.Please check",
    "in base64": base64.b64encode(f"RCPT TO:<{ALICE}>".encode()).decode(),
    "in URL-safe base64": base64.urlsafe_b64encode(f"??>>{ALICE}".encode()).decode().rstrip("="),
    "in a forwarder's sender (VERP)": f"bounce+{LOCAL.lower()}={DOMAIN}@lists.example".replace("+news", ""),
    "in a forwarder's sender (SRS)": f"SRS0=Ab1=7Q={DOMAIN}={LOCAL}@forwarder.example",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_spelling_is_masked(spelling):
    address = ALICE.replace("+news", "") if "bounce+" in spelling else ALICE
    text = masked_of(f"550 5.1.1 {spelling} is unknown here", address)
    assert spelling not in text
    assert "reader" not in text.lower() or "reader.example" not in text.lower().replace("%40", "@")
    assert text.startswith("550 5.1.1 ")
    assert text.endswith("is unknown here")


@pytest.mark.parametrize("spelled", ["jo@bücher.example", "jo@BÜCHER.example", "jo@xn--bcher-kva.example",
                                     "jo%40b%C3%BCcher.example", "jo=40b=C3=BCcher.example",
                                     "jo@b\\u00fccher.example", "jo@b\\xc3\\xbccher.example"])  # fmt: skip
def test_an_international_domain_is_one_address_in_both_spellings(spelled):
    text = masked_of(f"no such user {spelled}", "jo@xn--bcher-kva.example")
    assert spelled not in text
    assert text.startswith("no such user j…@")


@pytest.mark.parametrize("other", ["bob.alice@reader.example", "alice@reader.example.org", "xalice@reader.example",
                                   "alice+tag@reader.example", "alice@mail.reader.example"])  # fmt: skip
def test_somebody_else_is_not_masked_with_her(other):
    assert masked_of(f"550 <{other}> is unknown", "alice@reader.example") == f"550 <{other}> is unknown"


@pytest.mark.parametrize("text", ["250 2.0.0 Ok: queued as 8D3F1A2B3C40", "40 letters at 10:40",
                                  "https://n.example/confirm/AAAAAAAAAAAAAAAAAAAAAA", "=40=40", "@%40@"])  # fmt: skip
def test_a_text_without_addresses_stays_as_it_is(text):
    assert masked_in(text) == text
    assert masked_of(text, "alice@reader.example") == text


def test_json_is_masked_in_its_keys_and_its_texts():
    fields = {"to": ["alice@reader.example", 3, None], "alice@reader.example": {"deep": "<ALICE@reader.example>"}}
    assert "reader.example" not in str(masked_fields(fields, "alice@reader.example".__eq__)).lower()
    assert masked_fields(fields, "bob@reader.example".__eq__) == fields


def test_a_masked_address_tells_two_readers_apart_and_can_be_written_to_by_nobody():
    assert masked("mia@reader.example") == "m…@r….example"
    assert masked_in("mia@reader.example wrote to bob@other.org.") == "m…@r….example wrote to b…@o….org."


@pytest.mark.parametrize(
    "spelled",
    [
        "".join(f"%{ord(each):02X}" for each in "anna-maria@reader.example"),
        "".join(f"={ord(each):02X}" for each in "anna-maria@reader.example"),
        "list-return-7-anna-maria=reader.example@lists.example",
        "bounce+7+anna-maria=reader.example@lists.example",
    ],
)
def test_an_address_is_found_with_each_letter_encoded_and_in_a_mailing_list_s_return_path(spelled):
    assert masked_of(f"to {spelled} it went", "anna-maria@reader.example") != f"to {spelled} it went"
    assert masked_of(f"to {spelled} it went", "maria@reader.examples") == f"to {spelled} it went"
