"""Recognizes patterns in a series of replies: a domain that defers letter after letter, a letter that breaks every
connection, a server that refuses every recipient at RCPT, one that takes letters and never replies. Each sender keeps
its own history in memory."""

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
"""Deferrals in a row after which the domain is blamed: one full mailbox says nothing about others."""
BREAKS = 3
"""Broken connections at the same letter after which that letter is deferred, so that the others need not wait."""
REFUSALS = 10
"""Policy refusals in a row after which the sender itself is blamed: the next recipient would be refused too."""
LOST = 3
"""Letters in a row without a reply after which sending stops: each further one would be unknown as well."""
_POLICY = re.compile(r"5\d\d[ -](5\.7\.\d+|.*\brelay)", re.IGNORECASE)
_LETTER_STAGES = {"mail", "rcpt", "data", "dot"}

log = structlog.get_logger("mail")


@dataclass
class ReplyHistory:
    """One sender's reply history; `ailing` are the domains that defer (see db/deliveries/breakers.py)."""

    ailing: set[str] = field(default_factory=set)
    _shut: dict[str, datetime] = field(default_factory=dict)
    _deferrals: dict[str, int] = field(default_factory=dict)
    _breaks: dict[int, int] = field(default_factory=dict)
    _refusals: int = 0
    _lost: int = 0

    @property
    def loses_answers(self) -> bool:
        """Whether the server no longer replies after the final dot; the next reply of any kind resets that."""
        return self._lost >= LOST

    def shut_until(self, address: str, now: datetime) -> datetime | None:
        """Until when the breaker of the address's domain is open, if it is."""
        until = self._shut.get(domain_of(address)) if self._shut else None
        return until if until is not None and until > now else None

    def may_send(self, address: str, now: datetime) -> bool:
        """Whether a letter to this address may be pipelined behind one whose reply is not there yet. Not while the
        domain defers: its breaker is open, or that reply may open it."""
        if not (self._shut or self._deferrals or self.ailing):
            return True
        domain = domain_of(address)
        return domain not in self._deferrals and domain not in self.ailing and not self.shut_until(address, now)

    def weigh(self, letter: ClaimedLetter, outcome: Outcome) -> Outcome:
        """The outcome, adjusted by the history before it."""
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
        """Count a domain's deferrals in a row; the third (the first while it is ailing) opens the domain's breaker."""
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
    """Whether the letter can be the cause. A reply to MAIL is about us: the server knows nothing else yet."""
    return outcome.stage in _LETTER_STAGES and not (outcome.stage == "mail" and outcome.code is not None)
