"""One reader's timeline: consent, votes, emails and decisions in time order."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from db import rules
from db.deliveries import deliveries
from db.deliveries.deliveries import Delivery
from db.digests import digests, rule_history
from db.feedback import feedback
from db.feedback.feedback import Feedback
from db.operators import audit
from db.operators.audit import AuditEntry, AuditFilter
from db.persons import person_of
from db.rules import Person, Refused
from db.session import Session
from db.settings import settings
from db.subscribers import lists, subscribers, suppressions
from db.subscribers.subscribers import Consent, Subscriber
from db.subscribers.suppressions import Suppression
from db.votes.votes import Vote
from emails import links
from emails.messages.sender_identity import SenderIdentity
from web.actions.subscribers import came_back

MOST_LETTERS = 500
"""The most letters in one timeline (the latest): about ten years of weeks."""

Level = Literal["good", "warn", "bad", "quiet"]
_LEVELS: dict[str, tuple[str, Level]] = {
    "sent": ("✓", "good"), "failed": ("✕", "bad"), "unknown": ("!", "bad"), "deferred": ("!", "warn"),
    "skipped": ("○", "quiet"), "cancelled": ("○", "quiet"), "pending": ("…", "quiet"), "sending": ("…", "quiet"),
}  # fmt: skip
_SAID = {
    "asked": "Asked for the letter",
    "given": "Confirmed",
    "imported": "Imported from a file",
    "withdrawn": "Left",
}


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One entry. `private` is only for operators who may see addresses; `open` is for everybody."""

    at: datetime
    kind: Literal["consent", "letter", "feedback", "suppression", "order"]
    sign: str
    level: Level
    title: str
    open: tuple[tuple[str, str], ...] = ()
    private: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """One reader: the current state, whether they get the next digest, and the history."""

    subscriber: Subscriber
    suppression: Suppression | None
    votes: tuple[Vote, ...]
    next_digest: str
    comes: bool
    events: tuple[TimelineEntry, ...]
    older_letters: int
    slots: tuple[str, ...] = ()
    """The digests of which a letter was owed to them, the latest first."""

    def as_json(self) -> dict[str, Any]:
        """The timeline as plain values, for the reader's data export."""
        who = self.subscriber
        names = "id", "address", "state", "time_zone", "paused_until", "created_at", "confirmed_at"
        votes = [{"tool": vote.tool_id, "choice": vote.choice, "cast_at": vote.cast_at} for vote in self.votes]
        held = self.suppression
        return {name: getattr(who, name) for name in names} | {
            "suppressed": held and {"reason": held.reason, "since": held.at, "note": held.note},
            "next_digest": self.next_digest,
            "votes": votes,
            "events": [asdict(event) | {"open": dict(event.open), "private": dict(event.private)}
                       for event in self.events],
        }  # fmt: skip


def of(session: Session, subscriber_id: int, now: datetime) -> Timeline:
    """The timeline of the subscriber with that number. Raises Refused when there is none."""
    who = subscribers.find(session, subscriber_id)
    if who is None:
        raise Refused(f"There is no subscriber {subscriber_id}.")
    held = suppressions.of_address(session, who.address) if who.address else None
    letters = deliveries.of_person(session, person_of(who.id))
    told = letters[-MOST_LETTERS:]
    events = [_consent(each) for each in subscribers.history(session, who.id)]
    back = [each for each in feedback.of_person(session, person_of(who.id)) if each.raw_event is not None]
    abouts = {each.about for each in told if each.letter == "digest"} | {
        each.digest_id for each in back if each.digest_id
    }
    slots, old = digests.slots_of(session, abouts), digests.frozen_before_encoding(session, abouts)
    for each in told:
        about = each.about if each.letter == "digest" else None
        events.append(_letter(each, slots.get(about, "") if about else "", _message_id(each, is_old=about in old)))
    events += [_feedback(each, slots) for each in back]
    events += [_order(each) for each in _orders(session, who.id)]
    if held is not None:
        note = (("note", held.note),) if held.note else ()
        events.append(
            TimelineEntry(
                held.at,
                "suppression",
                "✕",
                "bad",
                f"Suppressed: {held.reason}{', suspected' * bool(held.suspected_at)}",
                note,
            )
        )
    comes, sentence = next_digest(session, who, held, now)
    return Timeline(
        who, held, tuple(lists.votes_of(session, who.id)), sentence, comes,
        tuple(sorted(events, key=lambda event: event.at)), len(letters) - len(told),
        tuple(sorted(slots.values(), reverse=True)),
    )  # fmt: skip


def _consent(each: Consent) -> TimelineEntry:
    words = f"version {each.words_version}" if each.words_version else ""
    shown = [("by", each.source), ("words", " ".join(filter(None, (words, each.words)))), ("language", each.locale)]
    private = [("address", each.address), ("from", each.ip), ("with", each.user_agent)]
    level: Level = "quiet" if each.what in ("asked", "withdrawn") else "good"
    sign = {"asked": "…", "withdrawn": "○"}.get(each.what, "✓")
    return TimelineEntry(each.at, "consent", sign, level, _SAID[each.what], _given(shown), _given(private))


def _message_id(each: Delivery, *, is_old: bool) -> str:
    """The Message-ID of a letter that was tried; those that releases before 0.6.0 began are named their way."""
    if not (each.claimed_at or each.tries):
        return ""
    if is_old or each.claimed_at is None:
        local = deliveries.old_message_id(each.id, each.letter, each.created_at)
    else:
        local = links.message_id(settings().keys, each.id, each.letter)
    return SenderIdentity.of(settings()).message_id(local)


def _letter(each: Delivery, slot: str, message_id: str) -> TimelineEntry:
    sign, level = _LEVELS[each.state]
    late = each.not_before if each.state in ("pending", "deferred") else None
    reply = each.reply or (str(each.code) if each.code else "")  # a reply begins with its code
    shown = [
        ("why", each.reason), ("the server said", reply), ("tries", str(each.tries)),
        ("settled", _moment(each.settled_at)), ("next try", _moment(late)),
        ("Message-ID", message_id),
    ]  # fmt: skip
    title = f"Letter {each.letter}{' ' + slot if slot else ''}: {each.state}"
    return TimelineEntry(each.created_at, "letter", sign, level, title, _given(shown))


def _feedback(each: Feedback, slots: Mapping[int, str]) -> TimelineEntry:
    """What came back after a letter. A letter that the mail server itself refused tells that by itself."""
    level: Level = "warn" if each.kind in ("soft", "content") else "bad"
    said = ("type", each.words) if each.kind == "complaint" else ("the server said", each.words)
    code = " ".join(filter(None, (str(each.code or ""), each.status)))
    about = slots.get(each.digest_id or 0, "")
    letter = f"digest {about}" if about else f"delivery {each.delivery_id}"
    shown = [("letter", letter), ("sent", _moment(each.sent_at)), said, ("code", code)]
    return TimelineEntry(each.at, "feedback", "↩", level, came_back.of_one(each.kind), _given(shown))


def _order(each: AuditEntry) -> TimelineEntry:
    done = f"{_DONE.get(each.action, each.action)}, by {each.actor}"
    return TimelineEntry(each.at, "order", "✎", "quiet", done, _given([("note", each.note)]))


def _given(pairs: list[tuple[str, str | None]]) -> tuple[tuple[str, str], ...]:
    return tuple((label, value) for label, value in pairs if value)


def _moment(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC" if when else ""


def _orders(session: Session, subscriber_id: int) -> list[AuditEntry]:
    """What operators did about this reader, alone or among others at a time."""
    alone = audit.listed(session, AuditFilter(about=f"subscriber {subscriber_id}"), 100)
    among = audit.touching(session, _AMONG_OTHERS, subscriber_id)
    return list({each.id: each for each in (*alone, *among)}.values())


_AMONG_OTHERS = ("people.suppress", "people.lift", "suspected.confirm", "suspected.lift")
_DONE = {
    "people.suppress": "Suppressed",
    "people.lift": "Mail allowed again",
    "people.erase": "Erased",
    "people.export": "Data exported",
    "suspected.confirm": "Suspected bounce confirmed",
    "suspected.lift": "Suspected bounce lifted: mail allowed again",
}


# ---- the next digest ---------------------------------------------------------------------------------------


def next_digest(
    session: Session, who: Subscriber, held: Suppression | None, now: datetime
) -> tuple[bool, str]:  # fmt: skip
    """Whether this reader would get the next digest in their current state, and a sentence that says why."""
    coming = rule_history.to_come(session, now, now + timedelta(days=15))[0]
    slot, due = coming.slot, coming.due
    person = Person(who.address, who.state, who.paused_until, held is not None, who.confirmed_at)
    reason = rules.why_not("digest", person, due)
    if reason is not None:
        return False, _WHY_NOT[reason].format(
            reason=held.reason if held else "", until=_moment(who.paused_until), slot=slot
        )
    state = digests.state_of(session, slot)
    if state in ("held", "skipped", "cancelled"):
        return False, f"Digest {slot} is {state}, for everybody."
    return True, f"Digest {slot} comes, if anything new was compared: it is due {due:%Y-%m-%d %H:%M} UTC."


_WHY_NOT = {
    "erased": "No digest comes: everything about this reader was erased.",
    "pending": "No digest comes: the subscription has not been confirmed.",
    "unsubscribed": "No digest comes: this reader has left.",
    "suppressed": "No digest comes: the address is suppressed ({reason}).",
    "paused": "Digest {slot} does not come: this reader paused until {until}.",
}
