"""What answers say together: a domain that defers one letter after the other, a letter that breaks every connection,
a server that refuses everybody at RCPT, one that takes letters and never says so. Kept by each sender for as long as
it lives."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from db.deliveries import breakers
from db.deliveries.breakers import domain_of
from db.deliveries.claims import ClaimedLetter
from db.session import writing
from emails.transports import Outcome

DEFERRALS = 3
"""One full mailbox says nothing of its neighbours; three deferrals in a row speak of the domain."""
BREAKS = 3
"""A server that breaks off at the same letter again and again refuses the letter; others must not wait behind it."""
REFUSALS = 10
"""So many refusals in a row by policy speak of the sender: whoever is asked next would be refused as well."""
LOST = 3
"""So many letters in a row without an answer: each further one would be in doubt as well."""
_POLICY = re.compile(r"5\d\d[ -](5\.7\.\d+|.*\brelay)", re.IGNORECASE)
_LETTER_STAGES = {"mail", "rcpt", "data", "dot"}

log = structlog.get_logger("mail")


@dataclass
class ReplyHistory:
    """One sender's memory of what it was told; `ailing` are the domains that defer (see db/deliveries/breakers.py)."""

    ailing: set[str] = field(default_factory=set)
    _shut: dict[str, datetime] = field(default_factory=dict)
    _deferrals: dict[str, int] = field(default_factory=dict)
    _breaks: dict[int, int] = field(default_factory=dict)
    _refusals: int = 0
    _lost: int = 0

    @property
    def loses_answers(self) -> bool:
        """Whether the server has stopped saying what becomes of letters; the next answer of any kind ends that."""
        return self._lost >= LOST

    def shut_until(self, address: str, now: datetime) -> datetime | None:
        """Until when the address's domain is to be left alone, if it is."""
        until = self._shut.get(domain_of(address)) if self._shut else None
        return until if until is not None and until > now else None

    def may_send(self, address: str, now: datetime) -> bool:
        """Whether no answer to come can shut the address's domain at once: it has not deferred the letter before."""
        if not (self._shut or self._deferrals or self.ailing):
            return True
        domain = domain_of(address)
        return domain not in self._deferrals and domain not in self.ailing and not self.shut_until(address, now)

    def weigh(self, letter: ClaimedLetter, outcome: Outcome) -> Outcome:
        """The outcome as it counts, in the light of those before it."""
        if outcome.kind == "unknown":
            self._lost += 1
        elif outcome.kind != "relay":
            self._lost = 0
        if outcome.kind == "sent":
            self._refusals = 0
        elif outcome.kind == "refused" and _POLICY.match(outcome.reply):
            self._refusals += 1
            if self._refusals > REFUSALS:
                outcome = replace(outcome, kind="relay")
        if outcome.kind == "relay" and _may_be_the_letter_s(outcome):
            self._breaks[letter.id] = self._breaks.get(letter.id, 0) + 1
            if self._breaks[letter.id] >= BREAKS:
                del self._breaks[letter.id]
                return replace(outcome, kind="deferred")
        self._domain(domain_of(letter.address), outcome)
        return outcome

    def _domain(self, domain: str, outcome: Outcome) -> None:
        """Keep count of a domain's deferrals in a row; at the third, or at once while it ails, all leave it alone."""
        if outcome.kind != "deferred":
            self._deferrals.pop(domain, None)
            if outcome.kind == "sent" and domain in self.ailing:
                self.ailing.discard(domain)
                with writing() as session:
                    breakers.domain_answered(session, domain)
            return
        self._deferrals[domain] = self._deferrals.get(domain, 0) + (DEFERRALS if domain in self.ailing else 1)
        if self._deferrals[domain] >= DEFERRALS:
            with writing() as session:
                until = breakers.domain_deferred(session, domain, outcome.reply, datetime.now(UTC))
            self._shut[domain] = until
            self.ailing.add(domain)
            log.warning("domain defers", domain=domain, reply=outcome.reply, until=until.isoformat())


def _may_be_the_letter_s(outcome: Outcome) -> bool:
    """Whether a letter can be the cause. In answer to MAIL the server speaks of us: it knows nothing else yet."""
    return outcome.stage in _LETTER_STAGES and not (outcome.stage == "mail" and outcome.code is not None)
