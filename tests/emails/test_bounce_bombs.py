"""Whatever bytes arrive, the bounce reader answers, and soon."""

from dataclasses import astuple
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emails.bounces import Finding, forms, read
from emails.bounces.bad_form import BadForm

MAILS = sorted((Path(__file__).parent / "bounces/mails").iterdir())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.binary(max_size=2000))
def test_no_bytes_break_it(raw: bytes) -> None:
    _holds(read(raw))


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    st.sampled_from([path.name for path in MAILS]), st.integers(0, 3000), st.integers(0, 400), st.binary(max_size=40)
)
def test_no_damage_to_a_mail_breaks_it(name: str, at: int, length: int, put: bytes) -> None:
    raw = (MAILS[0].parent / name).read_bytes()
    _holds(read(raw[:at] + put + raw[at + length :]))
    _holds(read(raw[:at] + raw[at : at + length] * 3 + raw[at:]))


def _holds(found: tuple[Finding, ...]) -> None:
    assert found
    for each in found:
        assert each.diagnostic.isprintable()
        assert len(each.diagnostic) <= 500
        assert each.recipient.count("@") <= 1 or each.recipient.startswith('"')
        each.recipient.encode()


def test_half_of_a_surrogate_pair_is_no_letter_and_breaks_nothing() -> None:
    text = "Content-Type: text/plain; charset=utf-7\n\n<+2w4-alice@b.example>: no\n\n--- original message follows\n"
    raw = HEAD + text.encode() + b"Message-ID: <+2w4-@x>\nFrom: +2w4- <a@x>\nTo: +2w4-@x\n\n+2w4-\n"
    _holds(read(raw))
    for each in read(raw):
        "".join(map(str, astuple(each))).encode()


def test_half_of_a_surrogate_pair_or_a_nul_in_a_provider_s_json_breaks_nothing() -> None:
    bounced = r'{"emailAddress": "\ud83da@b.example", "diagnosticCode": "smtp; 550 \ud83d"}'
    mail = r'{"headers": [{"name": "Message-ID", "value": "<\ud83d\u0000@x>"}]}'
    told = f'{{"notificationType": "Bounce", "bounce": {{"bouncedRecipients": [{bounced}]}}, "mail": {mail}}}'
    for found in (read(b"From: no-reply@amazonses.com\n\n" + told.encode()), forms.read("ses", told.encode())):
        _holds(found)
        assert "\0" not in "".join(map(str, astuple(found[0]))).encode().decode()
    (found,) = forms.read("generic", rb'{"kind": "complaint", "recipient": "a@b.example", "message_id": "<\u0000@x>"}')
    assert found.message_id == "< @x>"


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
    "an answer far from its colon": b"From: a@b.example\nSubject: Re" + b" " * 60_000 + b"x\n\n",
    "a charset that takes long": HEAD + b"Content-Type: text/plain; charset=punycode\n\n" + b"a-" * 2**20,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_little_time(name: str) -> None:
    began = process_time()
    _holds(read(BOMBS[name]))
    assert process_time() - began < 5  # most take 0.05 s


def test_a_field_of_blanks_takes_little_time() -> None:
    told = f'{{"kind": "complaint", "recipient": "{" " * 1000}"}}'
    began = process_time()
    with pytest.raises(BadForm):
        forms.read("generic", told.encode())
    assert process_time() - began < 1  # it took 3.5 s
