"""DKIM keys: read from their files, each with the DNS record that publishes its public half."""

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

_SMALLEST_RSA = 2048
_LABELS = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*")
_PADDING, _SHA256 = PKCS1v15(), hashes.SHA256()


class BadKey(ValueError):
    """A DKIM key or domain that cannot sign; the message says how to fix it."""


def as_in_the_dns(setting: str, value: str) -> str:
    """The value, if the DNS can have it as a name; else raises BadKey."""
    if not _LABELS.fullmatch(value):
        raise BadKey(f"{setting} is {value!r}: write it as it stands in the DNS, in ASCII.")
    return value


@dataclass(frozen=True)
class DkimKey:
    """One private key, and the selector under which its public key is published."""

    selector: str
    private: PrivateKey

    def __post_init__(self) -> None:
        as_in_the_dns("DKIM_SELECTOR", self.selector)

    @property
    def is_rsa(self) -> bool:
        return isinstance(self.private, RSAPrivateKey)

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if self.is_rsa else "ed25519-sha256"

    @property
    def record(self) -> str:
        """The content of the TXT record that publishes it."""
        public = self.private.public_key()
        if self.is_rsa:
            raw = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        else:
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return f"v=DKIM1; k={'rsa' if self.is_rsa else 'ed25519'}; p={base64.b64encode(raw).decode()}"

    def sign(self, data: bytes) -> bytes:
        """The signature over the data (RFC 6376, section 3.3, and RFC 8463, section 3)."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, _PADDING, _SHA256)
        return self.private.sign(hashlib.sha256(data).digest())


def _not_private(content: bytes) -> str:
    """What a file holds in place of a private key. What is there may be of use: no command here would overwrite it."""
    if b"-----BEGIN PUBLIC KEY-----" in content or b"-----BEGIN RSA PUBLIC KEY-----" in content:
        return "holds the public key and no private key: name the file that it was made from."
    return "holds no private key in PEM. Make a new file with: openssl genrsa -out NEW_FILE 2048"


def is_same(theirs: str, ours: str) -> bool:
    """Whether two values of the tag p= are the same key. An RSA key may be published without what says that it is one
    (PKCS #1)."""
    try:
        raws = [base64.b64decode("".join(each.split()), validate=True) for each in (theirs, ours)]
        if raws[0] == raws[1]:
            return True
        keys = [serialization.load_der_public_key(each) for each in raws]
    except (ValueError, UnsupportedAlgorithm):
        return False
    return all(isinstance(each, RSAPublicKey) for each in keys) and keys[0] == keys[1]


def load(selector: str, key_file: Path) -> DkimKey:
    """The private key in the PEM file `key_file`. Raises BadKey, which says what is wrong."""
    try:
        pem = Path(key_file).read_bytes()
    except OSError as error:
        raise BadKey(f"DKIM_KEY_FILE {key_file} cannot be read: {error.strerror}.") from None
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise BadKey(f"DKIM_KEY_FILE {key_file} has a pass phrase: store the key without one.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey(f"DKIM_KEY_FILE {key_file} {_not_private(pem)}") from None
    if isinstance(key, RSAPrivateKey) and key.key_size < _SMALLEST_RSA:
        raise BadKey(f"DKIM_KEY_FILE {key_file}: an RSA key needs {_SMALLEST_RSA} bits, this one has {key.key_size}.")
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise BadKey(f"DKIM_KEY_FILE {key_file}: the key must be RSA or ed25519.")
    return DkimKey(selector, key)
