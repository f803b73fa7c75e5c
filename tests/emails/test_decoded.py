"""An erased person's address is found in what came back, however a mail has encoded it."""

import base64
import binascii
from quopri import encodestring

import pytest

from db.masking import quotes_one
from emails.bounces import decoded

ZELDA = "zelda.fitz@reader.example"
SENTENCE = f"The mail to <{ZELDA}> could not be delivered. " * 3


def uuencoded(text: str) -> bytes:
    raw = text.encode()
    lines = (binascii.b2a_uu(raw[at : at + 45]) for at in range(0, len(raw), 45))
    return b"".join((b"See below.\n\nbegin 644 letter.eml\n", *lines, b"`\nend\n"))


def in_lines(raw: bytes, width: int) -> bytes:
    return b"\n".join(raw[at : at + width] for at in range(0, len(raw), width))


def is_found(raw: bytes) -> bool:
    parts = {part for text in decoded.texts(raw) for part in decoded.around_at_signs(text)}
    return any(quotes_one(part, ZELDA.__eq__) for part in parts)


IN_BASE64 = base64.encodebytes(SENTENCE.encode())
IN_UTF_7 = SENTENCE.replace("@", "+AEA-").encode()


@pytest.mark.parametrize(
    "raw",
    [
        SENTENCE.upper().encode(),
        binascii.hexlify(SENTENCE.encode()),
        in_lines(binascii.hexlify(SENTENCE.encode()).upper(), 60),
        b"bounces+12-a" + binascii.hexlify(ZELDA.encode()) + b"@relay.example",
        binascii.hexlify(ZELDA.encode(), " "),
        uuencoded(SENTENCE),
        uuencoded(SENTENCE).replace(b"\n", b"\r\n"),
        IN_UTF_7,
        encodestring(IN_UTF_7),
        base64.encodebytes(IN_UTF_7),
        b"+" + base64.b64encode(ZELDA.encode("utf-16-be")).rstrip(b"=") + b"-",
        b"Hello\n" + IN_BASE64,
        b"".join(b"> " + line + b"\n" for line in IN_BASE64.splitlines()),
        b"> zelda.fi=\n> tz@reader.example",
        b"https://relay.example/u/" + base64.urlsafe_b64encode(ZELDA.encode()).rstrip(b"=") + b"/x",
        b"Original-Recipient: rfc822;zelda.fitz+40reader.example",
        b"Original-Recipient: utf-8;zelda.fitz\\x{40}reader.example",
        "".join(f"\\x{each:02x}" for each in ZELDA.encode()).encode(),
        "".join(f"&#{each};" for each in ZELDA.encode()).encode(),
    ],
)
def test_an_address_is_found_in_every_encoding_of_mails(raw):
    assert is_found(raw)


def test_another_address_is_not_taken_for_it():
    other = SENTENCE.replace("zelda", "helga")
    for raw in (other.encode(), uuencoded(other), binascii.hexlify(other.encode()), base64.encodebytes(other.encode())):
        assert not is_found(raw)
