"""A played Amazon SNS: it signs messages as SNS does, and its certificate is fetched from a URL that SNS would name."""

import json
from base64 import b64encode
from datetime import datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509.oid import NameOID

from worker.feedback.sns import SnsMessage
from worker.outside.http_client import Answer

TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
HOST = "sns.eu-west-1.amazonaws.com"
CERTIFICATE = f"https://{HOST}/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
BEGINS, ENDS = datetime(2026, 11, 1), datetime(2026, 12, 1)  # noqa: DTZ001  a certificate's times have no zone


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder(name, name, key().public_key(), 1, BEGINS, ENDS).sign(key(), SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


class PlayedSns:
    """What the outside line would meet: it notes each URL, and answers the certificate or a confirmation."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200

    def request(self, method: str, url: str, _headers: object) -> Answer:
        assert method == "GET"
        self.asked.append(url)
        return Answer(HOST, self.status, {}, certificate() if url == CERTIFICATE else b"<ConfirmSubscriptionResponse/>")


def notification(about: dict, now: datetime, version: str = "1", **changed: object) -> dict:
    """A notification with that message in it, signed; what is in `changed` is signed, too."""
    told = {
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC,
        "Message": json.dumps(about), "Timestamp": _stamp(now), "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE, "UnsubscribeURL": f"https://{HOST}/?Action=Unsubscribe",
    } | changed  # fmt: skip
    return signed(told)


def confirmation(now: datetime, **changed: object) -> dict:
    """The message by which SNS asks whether a subscription is wanted."""
    told = {
        "Type": "SubscriptionConfirmation", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "Token": "2336412f37",
        "TopicArn": TOPIC, "Message": f"You have chosen to subscribe to the topic {TOPIC}.",
        "SubscribeURL": f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        "Timestamp": _stamp(now), "SignatureVersion": "1", "SigningCertURL": CERTIFICATE,
    } | changed  # fmt: skip
    return signed(told)


def signed(told: dict) -> dict:
    digest = SHA256() if told["SignatureVersion"] == "2" else SHA1()
    text = SnsMessage(told).signed_text
    return told | {"Signature": b64encode(key().sign(text, padding.PKCS1v15(), digest)).decode()}


def bounced(address: str, kind: str = "Permanent", diagnostic: str = "smtp; 550 5.1.1 user unknown") -> dict:
    """What SES tells of a bounce."""
    return {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": kind, "bounceSubType": "General",
            "bouncedRecipients": [
                {"emailAddress": address, "action": "failed", "status": "5.1.1", "diagnosticCode": diagnostic}
            ],
        },
        "mail": {"messageId": "0102", "destination": [address]},
    }  # fmt: skip


def complained(address: str) -> dict:
    return {
        "notificationType": "Complaint",
        "complaint": {"complainedRecipients": [{"emailAddress": address}], "complaintFeedbackType": "abuse"},
        "mail": {"messageId": "0103", "destination": [address]},
    }


def _stamp(now: datetime) -> str:
    return (now - timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
