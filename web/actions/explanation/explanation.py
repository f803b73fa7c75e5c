"""Gathers what happened to an address's mail, and puts the sentence in front."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from db import rules
from db.addresses import normal
from db.deliveries import deliveries, tests_of_address
from db.deliveries.deliveries import Delivery
from db.digests import digests
from db.digests.digests import Digest
from db.feedback import consequences, feedback
from db.feedback.feedback import Feedback
from db.operators import operators
from db.persons import person_of
from db.session import Session
from db.subscribers import subscribers, suppressions
from db.subscribers.subscribers import Consent, Subscriber
from db.subscribers.suppressions import Suppression
from web.actions.explanation import lifted, waiting
from web.actions.explanation.case import Case, Lifted, Newsletter, OneLetter, Stopped
from web.actions.explanation.sentence import sentence


@dataclass(frozen=True, slots=True)
class OfLetter:
    """A letter, the slot of its digest, and what came back after it."""

    delivery: Delivery
    slot: str | None
    back: tuple[Feedback, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The sentence, and all that it rests on. Without a subscriber it is about an address that never was one's."""

    sentence: str
    address: str | None
    subscriber: Subscriber | None
    suppression: Suppression | None
    consents: tuple[Consent, ...]
    letters: tuple[OfLetter, ...]
    slot: str | None
    """The digest that the sentence is about: the one asked for, else the latest that has begun to go out."""
    lifted: tuple[Lifted, ...] = ()
    """Each time that mail to it was allowed again, the latest first."""


def of_address(session: Session, address: str, now: datetime, slot: str | None = None) -> Explanation:
    """What happened to an address's mail, in any spelling. Raises BadAddress, and Refused for a slot without digest."""
    to = normal(address)
    found = subscribers.by_address(session, to)
    if found is not None:
        return of_subscriber(session, found, now, slot)
    digest = _digest(session, slot)
    held = suppressions.of_address(session, to)
    tests, again = tests_of_address.number(session, to), lifted.of_address(session, to)
    case = Case(to, None, now, _newsletter(digest), None, _stopped(held, 0), tests=tests)
    asked = () if slot else tuple(_other_letters(session, to))
    return Explanation(sentence(case), to, None, held, (), asked, digest.slot if digest else None, again)


def of_subscriber(session: Session, who: Subscriber, now: datetime, slot: str | None = None) -> Explanation:
    """What happened to a reader's mail; of one who was erased, what is left of it."""
    digest, person = _digest(session, slot), person_of(who.id)
    held = suppressions.of_address(session, who.address) if who.address else None
    back = feedback.of_person(session, person)
    letters = _letters(session, person, back)
    of_digest = next((each for each in letters if digest and each.slot == digest.slot), None)
    confirmation = next((each for each in reversed(letters) if each.delivery.letter == "confirm"), None)
    history, again = subscribers.history(session, who.id), lifted.of_subscriber(session, who.id, who.address)
    case = Case(
        who.address or f"Subscriber {who.id}", who.state, now, _newsletter(digest), _one_letter(session, of_digest),
        _stopped(held, _in_a_row(session, person, held, back)), next(iter(again), None),
        _one_letter(session, confirmation), _last(history, "asked"), who.confirmed_at, _last(history, "withdrawn"),
        who.paused_until,
    )  # fmt: skip
    others = _other_letters(session, who.address) if who.address else []
    asked = [*letters, *others] if slot is None else [each for each in letters if each.slot == slot]
    return Explanation(
        sentence(case), who.address, who, held, tuple(history), tuple(asked), digest.slot if digest else None, again
    )


def _other_letters(session: Session, address: str) -> list[OfLetter]:
    """The letters to an address that are not to a reader: test letters, and an operator's alerts."""
    persons = tests_of_address.persons_of(address)
    if operator := operators.by_address(session, address):
        persons.append(person_of(operator.id, "operator"))
    return [each for person in persons for each in _letters(session, person, feedback.of_person(session, person))]


def _digest(session: Session, slot: str | None) -> Digest | None:
    if slot is not None:
        return digests.get(session, slot)
    latest = digests.latest_slot(session)
    return digests.by_slot(session, latest) if latest else None


def _newsletter(digest: Digest | None) -> Newsletter | None:
    if digest is None:
        return None
    removed = bool(digest.removed)
    return Newsletter(digest.slot, digest.state, digest.due_at, digest.frozen_at, digest.reason, removed)


def _letters(session: Session, person: str, back: list[Feedback]) -> list[OfLetter]:
    found = deliveries.of_person(session, person)
    slots = digests.slots_of(session, {each.about for each in found if each.letter == "digest"})
    by_letter: dict[int, list[Feedback]] = {}
    for each in back:
        if each.raw_event is not None:
            by_letter.setdefault(each.delivery_id, []).append(each)
    return [
        OfLetter(each, slots.get(each.about) if each.letter == "digest" else None, tuple(by_letter.get(each.id, ())))
        for each in found
    ]


_GRAVE = ("complaint", "hard", "suspended", "soft", "content")
"""Which of the things that came back after one letter the sentence tells."""


def _one_letter(session: Session, found: OfLetter | None) -> OneLetter | None:
    if found is None:
        return None
    it = found.delivery
    gravest = min(found.back, key=lambda each: _GRAVE.index(each.kind), default=None)
    return OneLetter(
        it.state, it.reason, it.settled_at, it.reply, it.not_before,
        cast(rules.Returned, gravest.kind) if gravest else None, gravest.at if gravest else None,
        waiting.why(session) if it.state == "pending" else None,
    )  # fmt: skip


def _stopped(held: Suppression | None, in_a_row: int) -> Stopped | None:
    return Stopped(held.at, held.reason, held.suspected_at is not None, in_a_row) if held else None


def _in_a_row(session: Session, person: str, held: Suppression | None, back: list[Feedback]) -> int:
    """After how many letters in a row mail was stopped; 0 if it was for another reason."""
    counted = [each.at for each in back if each.kind in ("soft", "suspended")]
    if held is None or held.at not in counted:
        return 0
    return len(consequences.soft_bounces_in_a_row(session, person))


def _last(history: list[Consent], what: str) -> datetime | None:
    return next((each.at for each in reversed(history) if each.what == what), None)
