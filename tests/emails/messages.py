"""Finished messages for Alice, of every letter and in every setting, with what their checks need to know."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from db.settings import Settings
from emails import links
from emails.checks import Case
from emails.letters import Letter
from emails.links import Purpose
from emails.messages.dkim import SIGNED, Signer
from emails.messages.dkim_keys import DkimKey
from emails.messages.message import EncodedLetter, Recipient, date_header
from emails.messages.sender_identity import SenderIdentity
from tests.emails.people import SITE

ADDRESS = "alice@reader.example"
DATE = date_header(datetime(2026, 11, 17, 8, 30, tzinfo=UTC))
KEYS = (b"the key of the house",)
RSA = DkimKey("w47", rsa.generate_private_key(65537, 2048))
ED25519 = DkimKey("w47e", Ed25519PrivateKey.generate())
_PURPOSES: Mapping[str, Purpose] = {
    "UNSUBSCRIBE": "unsubscribe", "PREFERENCES": "preferences", "VOTE": "vote", "CONFIRM": "confirm",
}  # fmt: skip


class Setting(NamedTuple):
    """How a site is set up: its environment, and its DKIM keys."""

    variables: Mapping[str, object] = {}
    signer: Signer | None = None

    @property
    def identity(self) -> SenderIdentity:
        given = {"mail_from": "digest@verdicts.example", "site_name": SITE.name, "base_url": SITE.base_url}
        return SenderIdentity.of(Settings(**given | dict(self.variables)))


SETTINGS: Mapping[str, Setting] = {
    "bare": Setting(),
    "with an inbox": Setting({"inbox_url": "maildir:inbox"}),
    "with a bounce domain": Setting({"mail_bounce_domain": "bounce.verdicts.example"}),
    "one sender": Setting({"mail_verp": False}),
    "a name in another script, and a person who answers": Setting(
        {
            "mail_from": '"Zoë’s “Verdicts”, 週刊" <digest@verdicts.example>',
            "mail_reply_to": "Ana <ana@verdicts.example>",
        }
    ),
    "signed": Setting(signer=Signer("verdicts.example", [RSA])),
    "signed with both": Setting(signer=Signer("verdicts.example", [RSA, ED25519])),
    "signed, behind a relay that dates": Setting(
        signer=Signer("verdicts.example", [RSA], [name for name in SIGNED if name not in ("date", "message-id")])
    ),
}


def made(
    letter: Letter, setting: Setting, delivery: int = 70, own_votes: str = "", to: str = ADDRESS
) -> tuple[bytes, Case]:
    """The finished message of one delivery, and the case of its checks."""
    identity = setting.identity
    sender = identity.verp(links.sign(KEYS, "bounce", 7, delivery))
    values = {name: "4 March 2026" if name == "SINCE" else links.sign(KEYS, _PURPOSES[name], 7, delivery)
              for name in letter.marks}  # fmt: skip
    message_id = identity.message_id(links.message_id(KEYS, delivery, letter.kind))
    encoded = EncodedLetter(letter, identity, setting.signer)
    message = encoded.message(Recipient(to, message_id, sender, values, own_votes), DATE)
    return message, Case(identity, letter.kind, to, sender, SITE.postal_address, setting.signer)
