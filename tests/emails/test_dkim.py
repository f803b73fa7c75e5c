"""Signatures: what a mail server verifies, and keys that say what is wrong with them."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import dkim as oracle  # type: ignore[import-untyped]
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from db.settings import Settings
from emails import letters
from emails.dkim import BadKey, PrivateKey, Signer, load, signer_of
from emails.message import EncodedLetter, Recipient, date_header
from emails.sender_identity import SenderIdentity
from tests.emails.people import ALICE, SITE, WEEK

ORIGIN = SenderIdentity(
    "Zoë’s Weekly Verdicts, and a name that is long enough to fold", "digest@verdicts.example", SITE.base_url
)
DIGEST = letters.digest(WEEK, SITE)
DATE = date_header(WEEK.due)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = Ed25519PrivateKey.generate()


@pytest.fixture(params=[RSA, ED25519], ids=["rsa", "ed25519"])
def signer(request: pytest.FixtureRequest) -> Signer:
    return Signer("verdicts.example", "w47", request.param)


@pytest.fixture(autouse=True)
def ed25519_for_the_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    """dkimpy verifies ed25519 with PyNaCl; cryptography does the same under its names."""

    class VerifyKey:
        def __init__(self, encoded: bytes, encoder: object) -> None:
            self.key = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded))

        def verify(self, message: bytes, signature: bytes) -> None:
            self.key.verify(signature, message)

    nacl = SimpleNamespace(
        signing=SimpleNamespace(VerifyKey=VerifyKey),
        encoding=SimpleNamespace(Base64Encoder=None),
        exceptions=SimpleNamespace(BadSignatureError=InvalidSignature, ValueError=ValueError),
    )
    monkeypatch.setattr(oracle, "nacl", nacl, raising=False)


def recipient(**changes: object) -> Recipient:
    alice = Recipient("alice@example.com", ORIGIN.message_id("a" * 40), ORIGIN.verp("a" * 40), ALICE)
    return alice._replace(**changes)  # type: ignore[arg-type]


def verifies(message: bytes, signer: Signer) -> bool:
    """What dkimpy says, with the signer's own record as the whole DNS."""

    def record(name: bytes | str, timeout: int = 5) -> bytes:
        asked = name.decode() if isinstance(name, bytes) else name
        return signer.record.encode() if asked.rstrip(".") == signer.record_name else b""

    return bool(oracle.verify(message, dnsfunc=record))


def signed(signer: Signer) -> bytes:
    return EncodedLetter(DIGEST, ORIGIN, signer).message(recipient(), DATE)


def test_a_digest_verifies(signer: Signer) -> None:
    assert verifies(signed(signer), signer)


def test_confirm_and_welcome_verify_too(signer: Signer) -> None:
    for letter in (letters.confirm(SITE), letters.welcome(SITE)):
        message = EncodedLetter(letter, ORIGIN, signer).message(recipient(), DATE)
        assert verifies(message, signer)
        assert (b"list-id" in message.split(b"bh=")[0]) == letter.mailing


@settings(max_examples=25, deadline=None)
@given(
    local=st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}", fullmatch=True),
    subject=st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=200),
    body=st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)
def test_any_letter_to_anybody_verifies(local: str, subject: str, body: str) -> None:
    signer = Signer("verdicts.example", "w47", RSA)
    letter = letters.Letter("digest", subject, "", body + letters.mark("UNSUBSCRIBE"), body, "2026-W47")
    message = EncodedLetter(letter, ORIGIN, signer).message(recipient(address=f"{local}@example.com"), DATE)
    assert verifies(message, signer)


TAMPERED: dict[str, Callable[[bytes], bytes]] = {
    "body": lambda raw: raw.replace(b"Larkspur", b"Larkspun"),
    "added at the end": lambda raw: raw + b"more\r\n",
    "another From": lambda raw: b"From: eve@evil.example\r\n" + raw,
    "another Subject": lambda raw: raw.replace(b"To: ", b"Subject: Hello\r\nTo: ", 1),
    "another recipient": lambda raw: raw.replace(b"alice@example.com", b"bob@example.com", 1),
    "another way out": lambda raw: raw.replace(b"<https://verdicts", b"<https://verdict5"),
    "no way out": lambda raw: re.sub(rb"List-Unsubscribe-Post:.*\r\n", b"", raw),
    "another date": lambda raw: raw.replace(b"Date: Tue", b"Date: Wed"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_changed_letter_does_not_verify(signer: Signer, how: str) -> None:
    changed = TAMPERED[how](signed(signer))
    assert changed != signed(signer)
    assert not verifies(changed, signer)


def test_the_signature_covers_what_filters_ask_for(signer: Signer) -> None:
    field = re.sub(rb"\r\n ", b" ", signed(signer).split(b"\r\nFrom:")[0])
    tags = dict(part.strip().split(b"=", 1) for part in field.removeprefix(b"DKIM-Signature:").split(b";"))
    covered = tags[b"h"].replace(b" ", b"").split(b":")
    assert covered.count(b"from") == covered.count(b"subject") == 2
    assert {
        b"to", b"date", b"message-id", b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"mime-version",
        b"content-type",
    } <= set(covered)  # fmt: skip
    assert tags[b"c"] == b"relaxed/simple"
    assert b"l" not in tags
    assert max(map(len, signed(signer).split(b"\r\nFrom:")[0].split(b"\r\n"))) <= 78


def test_a_repeat_has_the_same_signature(signer: Signer) -> None:
    assert signed(signer) == signed(signer)


def test_a_signature_counts_for_its_own_domain_and_those_under_it() -> None:
    signer = Signer("verdicts.example", "w47", ED25519)
    assert signer.signs_for("verdicts.example")
    assert signer.signs_for("News.Verdicts.Example")
    assert not signer.signs_for("example")
    assert not signer.signs_for("otherverdicts.example")


# ---- keys --------------------------------------------------------------------------------------------------------


def pem(key: PrivateKey | dsa.DSAPrivateKey, pass_phrase: bytes | None = None) -> bytes:
    secret = serialization.BestAvailableEncryption(pass_phrase) if pass_phrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)


@pytest.mark.parametrize("key", [RSA, ED25519], ids=["rsa", "ed25519"])
def test_a_key_is_read_from_its_file(tmp_path: Path, key: PrivateKey) -> None:
    (tmp_path / "key.pem").write_bytes(pem(key))
    signer = load("Verdicts.example", "w47", tmp_path / "key.pem")
    assert signer.record_name == "w47._domainkey.verdicts.example"
    assert verifies(signed(signer), signer)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"", "holds no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no private key in PEM"),
        (pem(RSA, b"secret"), "store the key without one"),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "needs 2048 bits, this one has 1024"),
        (pem(dsa.generate_private_key(1024)), "must be RSA or ed25519"),
        (RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1), "no private key"),
    ],
)
def test_a_key_that_cannot_sign_says_why(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "key.pem").write_bytes(content)
    with pytest.raises(BadKey, match=said):
        load("verdicts.example", "w47", tmp_path / "key.pem")


def test_the_settings_name_a_signer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_FROM", "digest@news.verdicts.example")
    assert signer_of(Settings.read()) is None
    (tmp_path / "key.pem").write_bytes(pem(ED25519))
    monkeypatch.setenv("DKIM_DOMAIN", "verdicts.example")
    monkeypatch.setenv("DKIM_SELECTOR", "w47")
    monkeypatch.setenv("DKIM_KEY_FILE", str(tmp_path / "key.pem"))
    signer = signer_of(Settings.read())
    assert signer is not None
    assert signer.domain == "verdicts.example"
    monkeypatch.setenv("MAIL_FROM", "digest@elsewhere.example")
    with pytest.raises(BadKey, match="must be the domain in MAIL_FROM"):
        signer_of(Settings.read())


@pytest.mark.parametrize(
    ("domain", "selector"), [("verdicts example", "w"), ("v.example", "w;d=evil"), ("", "w"), ("é.x", "w")]
)
def test_a_name_that_cannot_stand_in_the_dns_is_refused(domain: str, selector: str) -> None:
    with pytest.raises(BadKey, match="as it stands in the DNS"):
        Signer(domain, selector, ED25519)
