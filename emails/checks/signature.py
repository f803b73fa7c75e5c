"""Who vouches for a message: its DKIM signatures (RFC 6376, RFC 8463) and the envelope's sender.

The signatures are verified by code of its own, not by the signer's.
"""

import base64
import hashlib
import re
from collections.abc import Iterator

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from emails.checks.seen import Fault, Field, Seen
from emails.dns import dmarc
from emails.messages.dkim_keys import DkimKey

_EVERY = ("from", "to", "subject", "date", "message-id", "mime-version", "content-type")
_OF_LISTS = ("list-id", "list-unsubscribe", "list-unsubscribe-post")
_TOKEN = re.compile(r"(?:.*\+)?b-([0-9a-f]{40})")

Tags = dict[str, str]


def signed(seen: Seen) -> Iterator[Fault]:
    """Row 8. Which fields are covered is what DKIM_SIGNED says."""
    signer, found = seen.case.signer, [field for field in seen.fields if field.name == "dkim-signature"]
    if signer is None:
        if not found:
            yield Fault(
                "The message is not signed with DKIM, which mailbox providers ask of newsletters.",
                "Set DKIM_DOMAIN, DKIM_SELECTOR and DKIM_KEY_FILE, unless your relay signs.",
                "warning",
            )
        return
    if len(found) != len(signer.keys):
        yield Fault(f"The message has {len(found)} DKIM signatures; {len(signer.keys)} keys are set.")
    if not signer.has_rsa:
        advice = "Let DKIM_SELECTOR and DKIM_KEY_FILE name an RSA key as well."
        yield Fault("Many servers cannot read an ed25519 signature alone.", advice, "warning")
    for field in found:
        tags = _tags(field.value)
        yield from _form(seen, tags)
        key = next((each for each in signer.keys if each.selector == tags.get("s")), None)
        if key is None or not _verifies(seen, field, tags, key):
            yield Fault(f"The DKIM signature of selector {tags.get('s')} does not verify.")


def _tags(value: str) -> Tags:
    pairs = (each.partition("=") for each in value.split(";") if each.strip())
    return {name.strip(): re.sub(r"\s", "", content) for name, _, content in pairs}


def _form(seen: Seen, tags: Tags) -> Iterator[Fault]:
    domain, author = tags.get("d", "").lower(), seen.case.identity.domain
    if not f".{author}".endswith(f".{domain}"):
        yield Fault(f"The signature is of {domain}, which says nothing about mail from {author}.",
                    "Set DKIM_DOMAIN to the domain of MAIL_FROM, or one above it.")  # fmt: skip
    if tags.get("a") not in ("rsa-sha256", "ed25519-sha256"):
        yield Fault(f"The signature’s algorithm is {tags.get('a')}.")
    if not tags.get("c", "").startswith("relaxed/"):
        yield Fault("The header is signed in its simple form, which forwarding breaks.")
    if "l" in tags:
        yield Fault("The signature covers a part of the body only (l=): anybody could add to it.")
    covered = tags.get("h", "").lower().split(":")
    signer = seen.case.signer
    due = [name for name in _EVERY + (_OF_LISTS if seen.case.is_list else ()) if signer and name in signer.signed]
    if missing := [name for name in due if name not in covered]:
        yield Fault(f"The signature leaves out {', '.join(missing)}.")
    for name in ("from", "subject"):
        if name in due and covered.count(name) < 2:
            yield Fault(f"A second {name} could be added without breaking the signature.")


def _verifies(seen: Seen, field: Field, tags: Tags, key: DkimKey) -> bool:
    body = re.sub(rb"(?:\r\n)*\Z", b"", seen.body) + b"\r\n"
    if not tags.get("c", "").endswith("/simple"):
        return False  # nothing here signs another form
    if tags.get("bh") != base64.b64encode(hashlib.sha256(body).digest()).decode():
        return False
    left = list(seen.fields)
    data = b""
    for name in tags.get("h", "").lower().split(":"):
        at = next((at for at in reversed(range(len(left))) if left[at].name == name), None)
        if at is not None:
            data += _relaxed(left.pop(at)) + b"\r\n"
    data += re.sub(rb"(b=)[^;]*\Z", rb"\1", _relaxed(field))
    return _holds(key, tags.get("b", ""), data)


def _relaxed(field: Field) -> bytes:
    value = re.sub(rb"[ \t]+", b" ", re.sub(rb"\r\n", b"", field.raw)).strip(b" \t")
    return field.name.encode("ascii") + b":" + value


def _holds(key: DkimKey, told: str, data: bytes) -> bool:
    try:
        given = base64.b64decode(told, validate=True)
        if isinstance(key.private, RSAPrivateKey):
            key.private.public_key().verify(given, data, PKCS1v15(), hashes.SHA256())
        else:
            key.private.public_key().verify(given, hashlib.sha256(data).digest())
    except (InvalidSignature, ValueError):
        return False
    return True


def envelope(seen: Seen) -> Iterator[Fault]:
    """Row 9."""
    local, _, domain = seen.case.sender.rpartition("@")
    if not _TOKEN.fullmatch(local):
        yield Fault("The envelope’s sender has no token, so a bounce would not tell whose letter it was.")
    if not dmarc.may_be_aligned(domain.lower(), seen.case.identity.domain):
        yield Fault(
            f"Bounces go to {domain}, so SPF says nothing about mail from {seen.case.identity.domain}.",
            "Set MAIL_BOUNCE_DOMAIN to a name below the domain of MAIL_FROM.",
            "warning",
        )
