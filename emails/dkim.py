"""Signs messages with DKIM (RFC 6376, and RFC 8463 for ed25519).

The quoted-printable encoder already writes bodies in the form of `simple` canonicalization, and only a few header
fields differ between recipients. So the constant fields are canonicalized once per letter, and each message costs one
hash of its body and one signature. From and Subject are oversigned: adding a second one breaks the signature.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from db.settings import Settings
from emails.sender_identity import SenderIdentity

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

_SIGNED = (
    b"from", b"from", b"reply-to", b"to", b"subject", b"subject", b"date", b"message-id", b"list-id",
    b"list-unsubscribe", b"list-unsubscribe-post", b"feedback-id", b"auto-submitted", b"mime-version", b"content-type",
)  # fmt: skip
_VARYING = (b"to", b"date", b"message-id", b"list-unsubscribe")
_SMALLEST_RSA = 2048
_LABELS = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*")


class BadKey(ValueError):
    """A DKIM key or domain that cannot sign; the message says how to fix it."""


def signer_of(config: Settings) -> "Signer | None":
    """The signer that the settings configure, if any. Raises BadKey when it cannot sign for MAIL_FROM."""
    if not (config.dkim_domain and config.dkim_selector and config.dkim_key_file):
        return None
    signer = load(config.dkim_domain, config.dkim_selector, config.dkim_key_file)
    domain = SenderIdentity.of(config).domain
    if not signer.signs_for(domain):
        raise BadKey(
            f"DKIM_DOMAIN {signer.domain} does not count for letters from {domain}: "
            "it must be the domain in MAIL_FROM, or one above it."
        )
    return signer


def load(domain: str, selector: str, key_file: Path) -> "Signer":
    """The signer for the private key in the PEM file `key_file`. Raises BadKey, which says what is wrong."""
    try:
        pem = Path(key_file).read_bytes()
    except OSError as error:
        raise BadKey(f"DKIM_KEY_FILE {key_file} cannot be read: {error.strerror}.") from None
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise BadKey(f"DKIM_KEY_FILE {key_file} has a pass phrase: store the key without one.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey(
            f"DKIM_KEY_FILE {key_file} holds no private key in PEM. Make one with: openssl genrsa -out {key_file} 2048"
        ) from None
    if isinstance(key, RSAPrivateKey) and key.key_size < _SMALLEST_RSA:
        raise BadKey(f"DKIM_KEY_FILE {key_file}: an RSA key needs {_SMALLEST_RSA} bits, this one has {key.key_size}.")
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise BadKey(f"DKIM_KEY_FILE {key_file}: the key must be RSA or ed25519.")
    return Signer(domain, selector, key)


class Signer:
    """One private key, and the DNS name of its public key (selector and domain)."""

    def __init__(self, domain: str, selector: str, key: PrivateKey) -> None:
        for name, value in (("DKIM_DOMAIN", domain), ("DKIM_SELECTOR", selector)):
            if not _LABELS.fullmatch(value):
                raise BadKey(f"{name} is {value!r}: write it as it stands in the DNS, in ASCII.")
        self.domain, self.selector, self._key = domain.lower(), selector, key

    @property
    def record_name(self) -> str:
        """The DNS name of the public key's record."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The content of that TXT record."""
        public = self._key.public_key()
        if isinstance(self._key, RSAPrivateKey):
            kind = "rsa"
            raw = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        else:
            kind = "ed25519"
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return f"v=DKIM1; k={kind}; p={base64.b64encode(raw).decode()}"

    def signs_for(self, sender_domain: str) -> bool:
        """Whether the signature aligns with this From domain (relaxed DMARC alignment, RFC 7489)."""
        return f".{sender_domain.lower()}".endswith(f".{self.domain}")

    def prepare(self, fields: Sequence[bytes]) -> "PreparedSigner":
        """A signer for messages that share these header fields; each field is complete, with its line break."""
        return PreparedSigner(self, self._key, fields)


class PreparedSigner:
    """Signs the messages of one letter."""

    def __init__(self, signer: Signer, key: PrivateKey, fields: Sequence[bytes]) -> None:
        constants = dict(map(_relaxed, fields))
        known = {*constants, *_VARYING}
        names = [name for name in _SIGNED if name in known]
        if b"list-id" not in constants:
            names.remove(b"list-unsubscribe")
        self._key = key
        self._data, self._places = _template(names, constants)
        algorithm = b"rsa-sha256" if isinstance(key, RSAPrivateKey) else b"ed25519-sha256"
        self._head = b"DKIM-Signature: v=1; a=%b; c=relaxed/simple; d=%b;\r\n s=%b;\r\n h=%b;\r\n bh=" % (
            algorithm,
            signer.domain.encode("ascii"),
            signer.selector.encode("ascii"),
            _folded(names),
        )
        self._relaxed_head = b"%b:%b" % _relaxed(self._head)

    def signature(self, fields: Mapping[bytes, bytes], body: bytes) -> bytes:
        """The DKIM-Signature field; fields are the varying ones by lower-case name, folded only at `CRLF SP`."""
        data = self._data.copy()
        for at, name in self._places:
            data[at] = fields[name].replace(b"\r\n ", b" ")
        body_hash = base64.b64encode(hashlib.sha256(body).digest())
        data += (self._relaxed_head, body_hash, b"; b=")
        signed = base64.b64encode(self._sign(b"".join(data)))
        lines = b"\r\n ".join([signed[at : at + 72] for at in range(0, len(signed), 72)])
        return b"".join((self._head, body_hash, b";\r\n b=", lines, b"\r\n"))

    def _sign(self, data: bytes) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(data, _PADDING, _SHA256)
        return self._key.sign(hashlib.sha256(data).digest())


_PADDING, _SHA256 = PKCS1v15(), hashes.SHA256()


def _relaxed(field: bytes) -> tuple[bytes, bytes]:
    """The field's name and value in the relaxed form (RFC 6376, section 3.4.2)."""
    name, _, value = field.partition(b":")
    return name.strip().lower(), b" ".join(value.split())


def _folded(names: Sequence[bytes]) -> bytes:
    lines = [b""]
    for name in names:
        if len(lines[-1]) + len(name) > 68:
            lines.append(b"")
        lines[-1] += name + b":"
    return b"\r\n ".join(lines).removesuffix(b":")


def _template(names: Sequence[bytes], constants: Mapping[bytes, bytes]) -> tuple[list[bytes], list[tuple[int, bytes]]]:
    """The signed header fields in the order of h=, with placeholders for the fields that vary by recipient."""
    data: list[bytes] = []
    places: list[tuple[int, bytes]] = []
    seen: set[bytes] = set()
    for name in names:
        if name in seen:
            continue  # the absent second field of an oversigned pair: its absence is what gets signed
        seen.add(name)
        data.append(name + b":")
        if name in constants:
            data[-1] += constants[name]
        else:
            places.append((len(data), name))
            data.append(b"")
        data.append(b"\r\n")
    return data, places
