"""Recognizes patterns in a series of replies: a domain that defers letter after letter, a letter that breaks every
connection, a server that refuses every recipient at RCPT, one that takes letters and never replies. Each sender keeps
its own history in memory."""

from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from db import moments
from db.deliveries.claiming.admission import ClaimedLetter
from db.deliveries.limits import breakers
from db.deliveries.limits.breakers import domain_of
from emails.transports import Outcome
from worker.processes import turns
from worker.sending.stop_rules import Memories

BLAMED = {"domain": 10, "unclear": 3}
DOMAIN_FAILS = 30
"""What a deferral weighs against its domain, and the sum in a row that opens the domain's breaker: three replies that
speak of the domain, or ten that tell nothing. A full mailbox or greylisting says nothing about others."""
STRIKES = 5
"""Different letters, with none taken in between, that are refused for the sender's or the server's sake before sending
stops. One letter, however often it is refused, may be the cause itself, but not at MAIL, where the server knows only
the sender: there each refusal counts."""
BREAKS = 3
"""Broken connections at the same letter after which that letter is deferred, so that the others need not wait."""
REFUSALS = 10
"""Refusals in a row that are not the recipients' fault after which sending stops: the next would be refused too."""
LOST = 3
"""Letters in a row without a reply after which sending stops: each further one would be unknown as well."""
MOST = 10_000
"""The most letters that the history remembers as put off; one that is forgotten waits as if for the first time."""
_LETTER_STAGES = {"mail", "rcpt", "data", "dot"}

log = structlog.get_logger("mail")


@dataclass
class ReplyHistory:
    """One sender's reply history; `ailing` are the domains that defer (see db/deliveries/limits/breakers.py)."""

    ailing: set[str] = field(default_factory=set)
    failing: bool = False
    """Whether the server has taken no letter since its breaker last opened: then one refusal opens it again."""
    memories: Memories = field(default_factory=Memories)
    """What the stop rules remember of each digest."""
    _shut: dict[str, datetime] = field(default_factory=dict)
    _deferrals: dict[str, int] = field(default_factory=dict)
    _breaks: dict[int, int] = field(default_factory=dict)
    _put_off: dict[int, int] = field(default_factory=dict)
    _refusals: int = 0
    _struck: set[int] = field(default_factory=set)
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

    def times_put_off(self, letter: ClaimedLetter) -> int:
        """How often this letter has met a refusal that is not its recipient's fault; this counts one more."""
        if len(self._put_off) > MOST:
            self._put_off.clear()
        self._put_off[letter.id] = self._put_off.get(letter.id, 0) + 1
        return self._put_off[letter.id]

    def weigh(self, letter: ClaimedLetter, outcome: Outcome) -> Outcome:
        """The outcome, adjusted by the history before it: of kind `relay` only if sending has to stop.

        Else a letter that the sender or the server is to blame for may be the only one: it is `deferred`.
        """
        if outcome.kind == "unknown":
            self._lost += 1
        elif outcome.kind != "relay":
            self._lost = 0
        if outcome.kind == "sent":
            self._refusals = 0
            self._struck.clear()
            self.failing = False
            self._put_off.pop(letter.id, None)
        elif outcome.kind == "refused" and outcome.whose in ("message", "unclear"):
            self._refusals += 1
            if self._refusals > REFUSALS:
                return replace(outcome, kind="relay")
        if outcome.kind == "relay":
            return outcome if self._stops(letter, outcome) else replace(outcome, kind="deferred")
        self._domain(domain_of(letter.address), outcome)
        return outcome

    def _stops(self, letter: ClaimedLetter, outcome: Outcome) -> bool:
        """Whether a refusal for the sender's or the server's sake is no longer one letter's bad luck."""
        if outcome.stage not in _LETTER_STAGES or (outcome.stage == "mail" and outcome.code in (None, 421)):
            return True  # about the session: at MAIL the server knows nothing else yet
        if outcome.code is not None:
            at_mail = outcome.stage == "mail" and outcome.whose != "message"
            self._struck.add(-len(self._struck) - 1 if at_mail else letter.id)
            return self.failing or len(self._struck) >= STRIKES
        self._breaks[letter.id] = self._breaks.get(letter.id, 0) + 1
        if self._breaks[letter.id] < BREAKS:
            return True
        del self._breaks[letter.id]
        return False

    def _domain(self, domain: str, outcome: Outcome) -> None:
        """Count a domain's deferrals in a row; enough of them (one while it is ailing) open the domain's breaker."""
        if outcome.kind == "sent":
            self._deferrals.pop(domain, None)
            if domain in self.ailing:
                self.ailing.discard(domain)
                with turns.writing() as session:
                    breakers.domain_answered(session, domain)
            return
        blamed = BLAMED.get(outcome.whose or "", 0) if outcome.kind == "deferred" else 0
        if not blamed:
            return
        self._deferrals[domain] = self._deferrals.get(domain, 0) + (DOMAIN_FAILS if domain in self.ailing else blamed)
        if self._deferrals[domain] >= DOMAIN_FAILS:
            with turns.writing() as session:
                until = breakers.domain_deferred(session, domain, outcome.reply, moments.now())
            self._shut[domain] = until
            self.ailing.add(domain)
            log.warning("domain defers", domain=domain, reply=outcome.reply, until=until.isoformat())
