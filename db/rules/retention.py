"""How long each kind of data is kept, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from db.rules.sign_ups import ADDRESS_SPAN, SIGN_UP_LIFE


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a kind of data is kept, and why; pages, letters and docs promise no other time."""

    what: str
    period: timedelta | None
    """None for as long as there is no other reason to remove it, which `until` names."""
    until: str
    why: str


RETENTION: Mapping[str, Retention] = MappingProxyType(
    {
        "deliveries": Retention(
            "letters to readers, and what became of them", timedelta(days=396), "13 months",
            "questions about a letter can be answered and its vote links work; a digest keeps its final account",
        ),
        "jobs": Retention(
            "jobs that succeeded, with their attempts", timedelta(days=7), "7 days",
            "whoever looks into a failure sees what went well around it",
        ),
        "sign-ups": Retention(
            "sign-ups that nobody confirmed", SIGN_UP_LIFE, "14 days", "for so long the confirmation link works"
        ),
        "limits": Retention(
            "how often a network or mailbox signed up", ADDRESS_SPAN, "a day at most", "that is what the limits count"
        ),
        "webhook messages": Retention(
            "what webhooks were told", timedelta(days=30), "30 days", "a receiver that was away can be told again"
        ),
        "raw events": Retention(
            "bounces and complaints as they came in", timedelta(days=30), "30 days",
            "one that was read wrongly can be looked at",
        ),
        "feedback": Retention(
            "bounces and complaints, with the letter that each is about", timedelta(days=396), "13 months",
            "a question about a letter can be answered as long as the letter is kept",
        ),
        "outages": Retention(
            "when a mail server refused all mail", timedelta(days=30), "30 days", "that time makes no letter old"
        ),
        "failed logins": Retention(
            "failed logins, by keyed hash", timedelta(days=1), "a day", "whoever guesses passwords has to wait"
        ),
        "heartbeats": Retention(
            "signs of life of processes", timedelta(days=1), "a day", "the console shows what ran lately"
        ),
        "failed jobs": Retention("jobs that failed or were discarded", None, "an operator decides", "a person owes it"),
        "votes": Retention("votes", None, "the voter withdraws them or is erased", "they are the community's figures"),
        "consents": Retention(
            "the proof of consent", None, "the reader is erased, which takes the person out of it",
            "who mails has to be able to prove it",
        ),
        "suppressions": Retention(
            "the suppression list, by keyed hash", None, "an operator lifts one", "nobody on it may be mailed"
        ),
        "digests": Retention("digests", None, "for ever", "their pages are the archive"),
        "audit": Retention("the audit log", None, "for ever", "who did what stays provable"),
    }
)  # fmt: skip


def kept(kind: str) -> timedelta:
    """How long a kind of data is kept that is removed when its time is over."""
    period = RETENTION[kind].period
    assert period is not None
    return period
