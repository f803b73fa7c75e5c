"""Composes letters from rows: reads the plain values that each letter needs, and its recipients'."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType

from sqlalchemy.orm import Session, undefer

from db import moments
from db.deliveries import deliveries, fingerprints
from db.deliveries.claiming.admission import ClaimedLetter
from db.digests import digests, rule_history
from db.digests.digests import Digest, TestLetter
from db.monitoring.alerts import Alert
from db.persons import subscriber_id
from db.settings import Settings, settings
from db.subscribers import subscriptions
from emails import letters, links
from emails.letters import DigestContent, Letter, Site, day
from emails.links import Purpose
from emails.messages import dkim
from emails.messages.dkim import Signer
from emails.messages.encoded_bodies import EncodedBodies
from emails.messages.message import EncodedLetter, Recipient, date_header
from emails.messages.sender_identity import SenderIdentity
from emails.transports import Outgoing
from worker.processes import turns

_LINKS: dict[str, Purpose] = {
    "UNSUBSCRIBE": "unsubscribe",
    "PREFERENCES": "preferences",
    "VOTE": "vote",
    "CONFIRM": "confirm",
}
"""Marks whose value is a signed link: for the subscriber, and for the sign-up in the confirm letter."""


def site(config: Settings) -> Site:
    """The sending newsletter, from the settings."""
    return Site(config.site_name, config.base_url, config.mail_postal_address)


@dataclass(frozen=True, slots=True)
class Composer:
    """Composes each recipient's message from one letter that is encoded once."""

    encoded: EncodedLetter
    identity: SenderIdentity
    keys: tuple[bytes, ...]
    is_old: bool = False
    """Whether a release before 0.6.0 froze the digest, and maybe sent some of it: its Message-IDs stay as they were."""

    def write(self, claimed: ClaimedLetter) -> Outgoing:
        """The message of one delivery, with its envelope."""
        number = subscriber_id(claimed.person) or links.NOBODY
        sender = self.identity.verp(links.sign(self.keys, "bounce", number, claimed.id))
        marks = {name: self._value(name, claimed, number) for name in self.encoded.marks}
        to = Recipient(claimed.address, self._message_id(claimed), sender, marks, claimed.own_votes)
        message, fingerprint = self.encoded.written(to, date_header(claimed.claimed_at))
        name = f"{claimed.letter}-{claimed.id}"
        return Outgoing(sender, claimed.address, message, name, fingerprints.dated(claimed.claimed_at, fingerprint))

    def _message_id(self, claimed: ClaimedLetter) -> str:
        if self.is_old:
            return self.identity.message_id(deliveries.old_message_id(claimed.id, claimed.letter, claimed.created_at))
        return self.identity.message_id(links.message_id(self.keys, claimed.id, claimed.letter))

    def _value(self, name: str, claimed: ClaimedLetter, number: int) -> str:
        if name == "SINCE":
            return day((claimed.since or claimed.created_at).date())
        return links.sign(self.keys, _LINKS[name], claimed.about if name == "CONFIRM" else number, claimed.id)


def composer(session: Session, letter: str, about: int) -> Composer:
    """The composer of one letter; a digest's letter is read from its freeze, neither rendered nor encoded again."""
    config = settings()
    encoded = session.get_one(Digest, about, options=[undefer(Digest.encoded)]).encoded if letter == "digest" else None
    return _composer(LETTERS[letter](session, about, site(config)), config, encoded)


@lru_cache(maxsize=8)
def _composer(letter: Letter, config: Settings, encoded: bytes | None = None) -> Composer:
    identity = SenderIdentity.of(config)
    bodies = EncodedBodies.read(encoded) if encoded else None
    is_old = letter.kind == "digest" and bodies is None
    return Composer(EncodedLetter(letter, identity, signer(config), bodies), identity, config.keys, is_old)


@lru_cache(maxsize=1)
def signer(config: Settings) -> Signer | None:
    """The DKIM signer, loaded once when the sender starts, so that a bad key shows before any letter goes out."""
    return dkim.signer_of(config)


# ---- the letters -------------------------------------------------------------------------------------------

Compose = Callable[[Session, int, Site], Letter]
"""Reads the row that a letter is about, by its id, and composes the letter; the recipient's values come in later."""


def _confirm(session: Session, about: int, site: Site) -> Letter:  # noqa: ARG001
    return letters.confirm(site)


def _reminder(session: Session, about: int, site: Site) -> Letter:  # noqa: ARG001
    return letters.reminder(site)


def _welcome(session: Session, about: int, site: Site) -> Letter:
    confirmed = subscriptions.confirmed_at(session, about)
    last = digests.latest_at(session, confirmed) if confirmed else None
    latest = DigestContent.from_json(last.content) if last and last.content else None
    when = rule_history.standing(session).in_words
    return letters.welcome(site, when, latest, SenderIdentity.of(settings()).address)


def _digest(session: Session, about: int, site: Site) -> Letter:  # noqa: ARG001
    return frozen_letter(session.get_one(Digest, about, options=[undefer(Digest.html), undefer(Digest.text)]))


def frozen_letter(digest: Digest) -> Letter:
    """A digest's letter, as its freeze stored it."""
    bodies = digest.subject, digest.preheader, digest.html, digest.text
    subject, preheader, html, text = (body or "" for body in bodies)
    return Letter("digest", subject, preheader, html, text, digest.slot)


def _alert(session: Session, about: int, site: Site) -> Letter:
    alert = session.get_one(Alert, about)
    return letters.alert(site, alert.title, tuple(alert.told.split("\n")), alert.opened_at, alert.link)


def _test(session: Session, about: int, site: Site) -> Letter:  # noqa: ARG001
    test = session.get_one(TestLetter, about)
    return Letter("test", test.subject, test.preheader, test.html, test.text)


LETTERS: Mapping[str, Compose] = MappingProxyType(
    {
        "digest": _digest,
        "confirm": _confirm,
        "reminder": _reminder,
        "welcome": _welcome,
        "test": _test,
        "alert": _alert,
    }
)
"""How each letter is composed. `db.rules.LETTERS` says who may get it and until when: a test holds that both tables
have the same names."""


class BatchComposer:
    """Composes one batch's letters, some of them ahead of time; `took` counts the seconds spent on those."""

    def __init__(self) -> None:
        self.took = 0.0
        self._made: dict[tuple[str, int], Composer] = {}
        self._ready: dict[int, Outgoing] = {}

    def of(self, letter: str, about: int) -> Composer:
        if (letter, about) not in self._made:
            with turns.reading() as session:
                self._made[letter, about] = composer(session, letter, about)
        return self._made[letter, about]

    def compose(self, claimed: ClaimedLetter) -> Outgoing:
        """The letter's message: the one that ahead() composed already, or else composed now."""
        return self._ready.pop(claimed.id, None) or self._composed(claimed)

    def ahead(self, claimed: ClaimedLetter) -> Outgoing | None:
        """Compose a digest's letter ahead of its turn. Returns None for any other kind, which would need a query, and
        for a letter that cannot be composed: compose() raises its error when its turn comes."""
        if claimed.id not in self._ready and claimed.letter == "digest":
            began = time.monotonic()
            with contextlib.suppress(Exception):
                self._ready[claimed.id] = self._composed(claimed)
            self.took += time.monotonic() - began
        return self._ready.get(claimed.id)

    def _composed(self, claimed: ClaimedLetter) -> Outgoing:
        return self.of(claimed.letter, claimed.about).write(claimed)


SAMPLE_FOR = "you@reader.example"


def sample(letter: Letter) -> bytes:
    """A reader's message for a preview: unsigned, with links that open the page of a test."""
    return sample_for(letter, SenderIdentity.of(settings())).message


def sample_for(letter: Letter, identity: SenderIdentity, signer: Signer | None = None, own_votes: str = "") -> Outgoing:
    """Such a message with its envelope, for a reader with these votes."""
    keys = settings().keys
    message_id = identity.message_id(links.message_id(keys, links.NOBODY, letter.kind))
    sender = identity.verp(links.sign(keys, "bounce", links.NOBODY))
    to = Recipient(SAMPLE_FOR, message_id, sender, sample_marks(letter), own_votes)
    message = EncodedLetter(letter, identity, signer).message(to, date_header(moments.now()))
    return Outgoing(sender, SAMPLE_FOR, message, "sample")


def sample_marks(letter: Letter) -> dict[str, str]:
    """Values for the letter's marks in a preview."""
    keys = settings().keys
    return {name: day(date(2026, 1, 1)) if name == "SINCE" else links.sign(keys, _LINKS[name], links.NOBODY)
            for name in letter.marks}  # fmt: skip
