"""What dies with a lost signing key, counted, and forgetting that key."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Select, func, select

from db import signing_keys
from db.deliveries.deliveries import Delivery
from db.operators.operators import Operator
from db.rules import Refused
from db.session import Session
from db.signing_keys import SigningKey
from db.subscribers import rehashing
from db.subscribers.subscribers import Subscriber
from db.votes.votes import Vote
from db.webhooks.webhooks import Webhook


@dataclass(frozen=True, slots=True)
class Losses:
    """How many letters, people and suppressions a lost key takes with it; those of known readers are hashed anew."""

    letters: int
    sign_ups: int
    voters: int
    sessions: int
    second_factors: int
    webhooks: int
    suppressions_hashed_anew: int
    suppressions_lost: int

    @property
    def in_words(self) -> list[str]:
        """A line for each kind of thing of which there is any."""
        told = (
            ("Letters already sent", self.letters, "their links lead nowhere, unsubscribe links too"),
            ("Sign-ups not confirmed yet", self.sign_ups, "these readers have to sign up again"),
            ("Browsers that have voted", self.voters, "their votes stay, but nobody can change them"),
            ("Operators with a password", self.sessions, "whoever is signed in is signed out"),
            ("Second factors", self.second_factors, "their codes stop working, and recovery codes do once"),
            ("Webhooks", self.webhooks, "nothing more can be posted to them; remove each and add it again"),
            (
                "Suppressions of known addresses",
                self.suppressions_hashed_anew,
                "hashed anew, so they hold",
            ),
            ("Suppressions by hash alone", self.suppressions_lost, "they no longer hold, should the address come back"),
        )
        return [f"{what}: {count:,} ({means})" for what, count, means in told if count] or [
            "Nothing that is counted here"
        ]


def losses(session: Session) -> Losses:
    """What depends on the keys of before."""
    suppressed = rehashing.counts(session)
    return Losses(
        letters=_count(session, select(func.count()).where(Delivery.state == "sent")),
        sign_ups=_count(session, select(func.count()).where(Subscriber.state == "pending")),
        voters=_count(session, select(func.count(Vote.voter.distinct())).where(Vote.voter.like("anonymous:%"))),
        sessions=_count(session, select(func.count()).where(Operator.password_hash.is_not(None))),
        second_factors=_count(session, select(func.count()).where(Operator.totp_secret.is_not(None))),
        webhooks=_count(session, select(func.count(Webhook.id))),
        suppressions_hashed_anew=suppressed.known,
        suppressions_lost=suppressed.alone,
    )


def lost(session: Session, own: tuple[str, ...]) -> list[SigningKey]:
    """The keys of the site that are missing among these. Raises Refused if none is: then nothing is lost."""
    found = signing_keys.lost(session, own)
    if not found and not signing_keys.is_another_sites(session):
        raise Refused(
            "Nothing is lost: the keys here (SECRET_KEY or var/secret_key) include all that the site has used. To give "
            "one up, take it out of SECRET_KEY and run this again."
        )
    return found


def forget(session: Session, own: tuple[str, ...], now: datetime) -> Losses:
    """Forget the lost keys and hash anew what can be; the first of these keys is the site's newest then."""
    before = losses(session)
    changed = rehashing.rehash(session)
    signing_keys.forget(session, own, now)
    return Losses(**asdict(before) | {"suppressions_hashed_anew": changed})


def _count(session: Session, query: Select[int]) -> int:
    return session.scalar(query) or 0
