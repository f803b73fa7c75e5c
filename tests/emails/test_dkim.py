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
from emails.messages.dkim import SIGNED, Signer, signer_of
from emails.messages.dkim_keys import BadKey, DkimKey, PrivateKey, load
from emails.messages.message import EncodedLetter, Recipient, date_header
from emails.messages.sender_identity import SenderIdentity
from tests.emails.people import ALICE, SITE, WEEK

ORIGIN = SenderIdentity(
    "Zoë’s Weekly Verdicts, and a name that is long enough to fold", "digest@verdicts.example", SITE.base_url
)
DIGEST = letters.digest(WEEK, SITE)
DATE = date_header(WEEK.due)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = Ed25519PrivateKey.generate()


def one(key: PrivateKey) -> Signer:
    return Signer("verdicts.example", [DkimKey("w47", key)])


@pytest.fixture(params=[RSA, ED25519], ids=["rsa", "ed25519"])
def signer(request: pytest.FixtureRequest) -> Signer:
    return one(request.param)


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


def verifies(message: bytes, signer: Signer, number: int = 0) -> bool:
    """What dkimpy says of the signature of that number, with the signer's own records as the whole DNS."""
    records = {signer.record_name(key): key.record.encode() for key in signer.keys}

    def record(name: bytes | str, timeout: int = 5) -> bytes:
        asked = name.decode() if isinstance(name, bytes) else name
        return records.get(asked.rstrip("."), b"")

    try:
        return bool(oracle.DKIM(message).verify(number, dnsfunc=record))
    except oracle.DKIMException:
        return False


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
    signer = one(RSA)
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
    signer = one(ED25519)
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
    signer = Signer("Verdicts.example", [load("w47", tmp_path / "key.pem")])
    assert signer.record_name(signer.keys[0]) == "w47._domainkey.verdicts.example"
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
        load("w47", tmp_path / "key.pem")


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
        Signer(domain, [DkimKey(selector, ED25519)])


# ---- two keys, and fewer fields ----------------------------------------------------------------------------------


@pytest.fixture
def both(tmp_path: Path) -> Settings:
    """The settings of a site that signs with an RSA and an ed25519 key."""
    for name, key in (("rsa.pem", RSA), ("ed.pem", ED25519)):
        (tmp_path / name).write_bytes(pem(key))
    return Settings.model_validate(
        {"mail_from": "digest@verdicts.example", "dkim_domain": "verdicts.example", "DKIM_SELECTOR": "w47, w47e",
         "DKIM_KEY_FILE": f"{tmp_path}/rsa.pem, {tmp_path}/ed.pem"}
    )  # fmt: skip


def test_two_keys_make_two_signatures_and_each_verifies_by_itself(both: Settings) -> None:
    signer = signer_of(both)
    assert signer is not None
    message = signed(signer)
    algorithms = re.findall(rb"DKIM-Signature: v=1; a=([a-z0-9-]+);[^;]+; d=verdicts.example;\r\n s=(\w+);", message)
    assert algorithms == [(b"rsa-sha256", b"w47"), (b"ed25519-sha256", b"w47e")]
    assert verifies(message, signer, 0)
    assert verifies(message, signer, 1)
    broken = message.replace(b"Larkspur", b"Larkspun")
    assert not verifies(broken, signer, 0)
    assert not verifies(broken, signer, 1)


def test_two_keys_of_one_kind_are_refused() -> None:
    with pytest.raises(BadKey, match="one RSA and one ed25519"):
        Signer("verdicts.example", [DkimKey("a", RSA), DkimKey("b", RSA)])


def test_what_a_relay_rewrites_can_be_left_unsigned(both: Settings) -> None:
    fewer = tuple(name for name in SIGNED if name not in ("message-id", "date"))
    signer = signer_of(both.model_copy(update={"dkim_signed": fewer}))
    assert signer is not None
    message = signed(signer)
    rewritten = re.sub(rb"Date: [^\r]+", b"Date: Sun, 01 Nov 2026 09:00:00 +0000", message)
    rewritten = re.sub(rb"Message-ID: [^\r]+", b"Message-ID: <0100-1@eu-west-1.amazonses.example>", rewritten)
    assert rewritten != message
    assert verifies(rewritten, signer, 0)
    assert verifies(rewritten, signer, 1)
    assert not verifies(rewritten.replace(b"Subject: ", b"Subject: Re: "), signer)
    whole = signer_of(both)
    assert whole is not None
    assert not verifies(signed(whole).replace(b"Message-ID: <", b"Message-ID: <x"), whole)


@pytest.mark.parametrize(
    ("names", "said"),
    [(("to", "subject"), "leaves out From"), (("from", "x-mailer"), "DKIM_SIGNED names 'x-mailer'")],
)
def test_fields_that_cannot_be_signed_are_refused(both: Settings, names: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadKey, match=said):
        signer_of(both.model_copy(update={"dkim_signed": names}))
