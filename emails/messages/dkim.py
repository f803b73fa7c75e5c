"""Signs messages with DKIM (RFC 6376, and RFC 8463 for ed25519).

The quoted-printable encoder already writes bodies in the form of `simple` canonicalization, and only a few header
fields differ between recipients. So the constant fields are canonicalized once per letter, and each message costs one
hash of its body and one signature for each key. From and Subject are oversigned: adding a second one breaks the
signature.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence

from db.settings import Settings
from emails.messages.dkim_keys import BadKey, DkimKey, as_in_the_dns, load
from emails.messages.sender_identity import SenderIdentity

SIGNED = (
    "from", "reply-to", "to", "subject", "date", "message-id", "list-id", "list-unsubscribe", "list-unsubscribe-post",
    "list-archive", "list-help", "feedback-id", "auto-submitted", "mime-version", "content-type",
)  # fmt: skip
"""The header fields that a signature covers where a letter has them; DKIM_SIGNED may name fewer."""
_OVERSIGNED = ("from", "subject")
_VARYING = (b"to", b"date", b"message-id", b"list-unsubscribe")


def signer_of(config: Settings) -> "Signer | None":
    """The signer that the settings configure, if any. Raises BadKey when it cannot sign for MAIL_FROM."""
    if not config.dkim_domain:
        return None
    keys = [load(*each) for each in zip(config.dkim_selectors, config.dkim_key_files, strict=True)]
    signer = Signer(config.dkim_domain, keys, config.dkim_signed or SIGNED)
    domain = SenderIdentity.of(config).domain
    if not signer.signs_for(domain):
        raise BadKey(
            f"DKIM_DOMAIN {signer.domain} does not count for letters from {domain}: "
            "it must be the domain in MAIL_FROM, or one above it."
        )
    return signer


class Signer:
    """The keys that sign, of one domain: one, or one RSA and one ed25519 key."""

    def __init__(self, domain: str, keys: Sequence[DkimKey], signed: Sequence[str] = SIGNED) -> None:
        self.domain = as_in_the_dns("DKIM_DOMAIN", domain).lower()
        if len({each.is_rsa for each in keys}) < len(keys):
            kind = "RSA" if keys[0].is_rsa else "ed25519"
            raise BadKey(f"DKIM_KEY_FILE names two {kind} keys: sign with one, or with one RSA and one ed25519 key.")
        if strange := [name for name in signed if name not in SIGNED]:
            raise BadKey(f"DKIM_SIGNED names {strange[0]!r}. The fields that can be signed are: {', '.join(SIGNED)}.")
        if "from" not in signed:
            raise BadKey("DKIM_SIGNED leaves out From, which every signature has to cover (RFC 6376, section 5.4).")
        self.keys, self.signed = tuple(keys), tuple(signed)

    def record_name(self, key: DkimKey) -> str:
        """The DNS name of a key's record."""
        return f"{key.selector}._domainkey.{self.domain}"

    @property
    def has_rsa(self) -> bool:
        """Whether a verifier that does not know ed25519 finds a signature that it can read."""
        return any(each.is_rsa for each in self.keys)

    def signs_for(self, sender_domain: str) -> bool:
        """Whether the signature aligns with this From domain (relaxed DMARC alignment, RFC 9989)."""
        return f".{sender_domain.lower()}".endswith(f".{self.domain}")

    def prepare(self, fields: Sequence[bytes]) -> "PreparedSigner":
        """A signer for messages that share these header fields; each field is complete, with its line break."""
        constants = dict(map(_relaxed, fields))
        known = {*constants, *_VARYING}
        if b"list-id" not in constants:
            known.discard(b"list-unsubscribe")
        names = [name.encode("ascii") for name in SIGNED for _ in range(1 + (name in _OVERSIGNED))
                 if name in self.signed and name.encode("ascii") in known]  # fmt: skip
        return PreparedSigner(self.domain, self.keys, names, constants)


class PreparedSigner:
    """Signs the messages of one letter."""

    def __init__(
        self, domain: str, keys: Sequence[DkimKey], names: Sequence[bytes], constants: Mapping[bytes, bytes]
    ) -> None:
        self._data, self._places = _template(names, constants)
        self._signatures = [_Signature(key, domain, names) for key in keys]

    def signature(self, fields: Mapping[bytes, bytes], body: bytes) -> bytes:
        """The DKIM-Signature field of each key; `fields` are the varying ones by lower-case name, folded only at
        `CRLF SP`."""
        data = self._data.copy()
        for at, name in self._places:
            data[at] = fields[name].replace(b"\r\n ", b" ")
        header = b"".join(data)
        body_hash = base64.b64encode(hashlib.sha256(body).digest())
        return b"".join([each.field(header, body_hash) for each in self._signatures])


class _Signature:
    """The DKIM-Signature fields of one key, which differ in the body's hash and the signature alone."""

    def __init__(self, key: DkimKey, domain: str, names: Sequence[bytes]) -> None:
        self._key = key
        self._head = b"DKIM-Signature: v=1; a=%b; c=relaxed/simple; d=%b;\r\n s=%b;\r\n h=%b;\r\n bh=" % (
            key.algorithm.encode("ascii"),
            domain.encode("ascii"),
            key.selector.encode("ascii"),
            _folded(names),
        )
        self._relaxed_head = b"%b:%b" % _relaxed(self._head)

    def field(self, header: bytes, body_hash: bytes) -> bytes:
        signed = base64.b64encode(self._key.sign(b"".join((header, self._relaxed_head, body_hash, b"; b="))))
        lines = b"\r\n ".join([signed[at : at + 72] for at in range(0, len(signed), 72)])
        return b"".join((self._head, body_hash, b";\r\n b=", lines, b"\r\n"))


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
