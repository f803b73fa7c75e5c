"""Messages of Amazon SNS, by which SES tells of bounces and complaints: read, and their signatures verified.

Any AWS account can sign a message, and a URL in one leads wherever its writer wants. So topics are listed in
SES_TOPICS, and only URLs of the form that SNS itself uses are ever asked. The packages that verify such messages fetch
the certificate themselves, and were last released between 2015 and 2022.
"""

import re
from base64 import b64decode
from binascii import Error as BadBase64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from db.rules import kept
from emails.bounces.bad_form import BadForm
from emails.bounces.forms import fields

_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""The fields that are signed, in this order. A notification may have no Subject."""
_HOST = r"https://sns\.(?P<region>[a-z]{2,12}(?:-[a-z]{2,12}){1,3}-\d{1,2})\.amazonaws\.com"
_CERTIFICATE = re.compile(rf"{_HOST}/SimpleNotificationService-[0-9A-Za-z]{{8,64}}\.pem", re.ASCII)
_SUBSCRIBE = re.compile(rf"{_HOST}/\?[\w.%&=:+/~-]{{1,2000}}", re.ASCII)
_AHEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SnsMessage:
    """A message whose form is right and whose signature is not verified yet."""

    fields: dict[str, str]

    @property
    def kind(self) -> str:
        return self.fields["Type"]

    @property
    def topic(self) -> str:
        return self.fields["TopicArn"]

    @property
    def certificate_url(self) -> str:
        return self.fields["SigningCertURL"]

    @property
    def subscribe_url(self) -> str:
        return self.fields["SubscribeURL"]

    @property
    def signed_text(self) -> bytes:
        names = [name for name in _SIGNED[self.kind] if name in self.fields]
        return "".join(f"{name}\n{self.fields[name]}\n" for name in names).encode()

    @property
    def all_that_proves(self) -> bytes:
        """What is signed, and by what, as it is spelled: a forged message does not take the place of the real one."""
        names = ("SignatureVersion", "Signature", "SigningCertURL")
        return self.signed_text + "\n".join(self.fields[name] for name in names).encode()


def read(raw: bytes) -> SnsMessage:
    """The message. Raises BadForm for one that SNS would not send."""
    told = {name: value for name, value in fields(raw).items() if value is not None}
    kind = told.get("Type")
    signed = _SIGNED.get(kind) if isinstance(kind, str) else None
    if signed is None:
        raise BadForm("Type is none that Amazon SNS sends. (Raw message delivery has to be off: it is not signed.)")
    needed = {*signed, "SignatureVersion", "Signature", "SigningCertURL"} - {"Subject"}
    if missing := sorted(each for each in needed if not isinstance(told.get(each), str)):
        raise BadForm(f"{missing[0]} is missing.")
    message = SnsMessage({name: value for name, value in told.items() if isinstance(value, str)})
    _check_urls(message)
    return message


def _check_urls(message: SnsMessage) -> None:
    if not _CERTIFICATE.fullmatch(message.certificate_url):
        raise BadForm("SigningCertURL is none of Amazon SNS.")
    if message.kind == "Notification":
        return
    asked = _SUBSCRIBE.fullmatch(message.subscribe_url)
    told = parse_qsl(urlsplit(message.subscribe_url).query, keep_blank_values=True) if asked else []
    wanted = {"Action": "ConfirmSubscription", "TopicArn": message.topic, "Token": message.fields["Token"]}
    # Each once: of two with one name nobody knows which one SNS takes.
    if not asked or sorted(told) != sorted(wanted.items()) or message.topic.split(":")[3:4] != [asked["region"]]:
        raise BadForm("SubscribeURL is none of Amazon SNS for this topic.")


def is_timely(message: SnsMessage, now: datetime) -> bool:
    """Whether it was sent within the time for which events are kept: an older one could be a replay."""
    try:
        sent = datetime.fromisoformat(message.fields["Timestamp"])
    except ValueError:
        return False
    sent = sent if sent.tzinfo else sent.replace(tzinfo=UTC)
    return now - kept("raw events") + _AHEAD < sent < now + _AHEAD


def is_signed_by(message: SnsMessage, pem: bytes, now: datetime) -> bool:
    """Whether the key of this certificate signed the message: version 1 with SHA-1, version 2 with SHA-256."""
    from cryptography import x509  # few processes ever need it
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    digest = {"1": SHA1, "2": SHA256}.get(message.fields["SignatureVersion"])
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key, signature = certificate.public_key(), b64decode(message.fields["Signature"], validate=True)
    except (ValueError, BadBase64):
        return False
    in_time = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    if digest is None or not in_time or not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        key.verify(signature, message.signed_text, padding.PKCS1v15(), digest())
    except InvalidSignature:
        return False
    return True
