"""The stop rules (db.rules) in a sender's memory: when too many letters of a digest are refused as addresses that do
not exist, or for their content, the digest is paused; when most of a domain's are, the domain is held.

Each process judges its own letters, in memory alone: no row is counted up, and a restart begins anew. So with several
senders a rule trips up to that many times later; what one of them stops is stopped for all.
"""

import contextlib
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from db import moments, rules
from db.deliveries.claiming.claims import Batch
from db.deliveries.limits import stops
from db.deliveries.limits.breakers import domain_of
from db.deliveries.limits.stops import NOTHING_STANDS, Standing, Trip
from db.operators.audit import Actor
from emails.transports import Outcome
from worker.processes import turns

SENDER = Actor("sender")
"""Who stops a digest, in the audit log."""
_SENT, _OTHER, _CONTENT = ("sent", ""), ("other", ""), ("content", "")
_KINDS = {"message": _CONTENT, "mailbox": _OTHER, "unclear": _OTHER}
MOST_DIGESTS = 8
MOST_DOMAINS = 1_000
"""The most digests, and for each the most domains with hard refusals, that a sender remembers: those met first are
forgotten first, and counted anew."""

log = structlog.get_logger("mail")


@dataclass
class Memory:
    """What one process remembers of a digest's last letters since it was last resumed or a stop of it ended."""

    since: tuple[datetime | None, int] = (None, 0)
    standing: Standing = NOTHING_STANDS
    held: frozenset[str] = frozenset()
    """The domains that the last claim found held, and those that tripped here since."""
    tripped: frozenset[str] = frozenset()
    trips: list[Trip] = field(default_factory=list)
    """Rules that tripped and are not acted on yet."""
    stopped: bool = False
    """Whether no further letter of the digest may begin."""
    is_over: bool = False
    """Whether that was done. Letters that are claimed later show that it goes on: a domain is held in its place."""
    _letters: deque[tuple[str, str]] = field(default_factory=deque)
    _counts: dict[str, int] = field(default_factory=lambda: {"hard": 0, "content": 0, "other": 0})
    _domains: dict[str, deque[bool]] = field(default_factory=dict)
    """For domains with hard refusals among their last letters: which of those were."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_held(self, address: str) -> bool:
        return bool(self.held) and domain_of(address) in self.held

    def note(self, address: str, outcome: Outcome) -> None:
        """Remember a letter that was taken or refused for good; the others say nothing yet."""
        with self._lock:
            if outcome.kind == "sent":
                if self._domains:
                    self._of_domain(domain_of(address), hard=False)
                self._count(_SENT)
            elif outcome.kind == "refused":
                domain, hard = domain_of(address), outcome.whose == "address"
                if domain in self.held or (hard and not self._is_judged(domain)):
                    return
                if hard or domain in self._domains:
                    self._of_domain(domain, hard=hard)
                if domain not in self.held:
                    self._count(("hard", domain) if hard else _KINDS.get(outcome.whose or "", _OTHER))

    def _is_judged(self, domain: str) -> bool:
        """Whether its refusals still count: not once a person has released it so often that no rule holds it again."""
        return rules.holds_domain(rules.DOMAIN_WATCHED, self.standing.released.get(domain, 0))

    def _count(self, letter: tuple[str, str]) -> None:
        counts = self._counts
        self._letters.append(letter)
        if letter is not _SENT:
            counts[letter[0]] += 1
        if len(self._letters) > rules.WATCHED and (oldest := self._letters.popleft()) is not _SENT:
            counts[oldest[0]] -= 1
        if self.stopped or not (counts["hard"] or counts["content"]):
            return
        rule = rules.stops(len(self._letters), counts["hard"], counts["content"], self.standing.seen)
        if rule is not None:
            self.stopped = True
            self.trips.append(Trip(rule, None, counts[rule], len(self._letters)))

    def _of_domain(self, domain: str, *, hard: bool) -> None:
        if not hard and domain not in self._domains:
            return
        last = self._domains.setdefault(domain, deque(maxlen=rules.DOMAIN_WATCHED))
        if len(self._domains) > MOST_DOMAINS:
            del self._domains[next(iter(self._domains))]
        last.append(hard)
        if not any(last):
            del self._domains[domain]
        elif rules.holds_domain(sum(last), self.standing.released.get(domain, 0)):
            self.trips.append(Trip("hard", domain, sum(last), len(last)))
            self.tripped |= {domain}
            self.held |= {domain}
            self._forget(domain)

    def _forget(self, domain: str) -> None:
        """What is the domain's fault counts no more against the digest."""
        del self._domains[domain]
        kept = [letter for letter in self._letters if letter != ("hard", domain)]
        self._counts["hard"] -= len(self._letters) - len(kept)
        self._letters = deque(kept)


@dataclass
class Memories:
    """One sender's memories, by digest."""

    _by_digest: dict[int, Memory] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, batch: Batch) -> Memory:
        """The memory for a claimed batch. Single letters are not watched, since strangers may name any address; the
        claim itself holds those to a held domain."""
        if batch.digest_id is None:
            return Memory()
        since = batch.resumed_at, batch.standing.ended
        with self._lock:
            found = self._by_digest.get(batch.digest_id)
            if found is None or found.since != since or found.is_over:
                found = self._by_digest[batch.digest_id] = Memory(since)
                while len(self._by_digest) > MOST_DIGESTS:
                    del self._by_digest[next(iter(self._by_digest))]
            found.standing, found.held = batch.standing, batch.standing.held | found.tripped
            return found


def act(batch: Batch, memory: Memory) -> None:
    """Carry out what has tripped, whichever of the process's threads noted it."""
    while memory.trips and batch.digest_id is not None:
        with contextlib.suppress(IndexError):  # another thread took the last one
            tripped = memory.trips.pop()
            try:
                _stop(batch.digest_id, tripped, moments.now())
            except BaseException:
                memory.trips.append(tripped)
                raise
            memory.is_over = tripped.domain is None


def _stop(digest_id: int, tripped: Trip, now: datetime) -> None:
    with turns.writing() as session:
        stopped = stops.stop(session, SENDER, digest_id, tripped, now)
    if stopped is None:  # another sender was faster
        return
    log.error("stopped", digest=stopped.slot, domain=tripped.domain, reason=tripped.told, suspected=stopped.suspected)
