"""Alerts about stop rules: a digest that stopped itself, a held domain, suppressions that wait for a decision."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from db.deliveries.limits import stops
from db.digests import digests
from db.monitoring.alerts import Condition
from db.session import Session
from db.subscribers import suspected


def standing_stops(session: Session, now: datetime) -> Iterator[Condition]:  # noqa: ARG001
    """Digests that stopped themselves, and domains that are held."""
    for stop, digest in stops.standing_stops(session):
        told = f"{stops.in_words(stop.rule, stop.domain, stop.refused, stop.letters)}."
        if stop.domain:
            yield Condition(
                f"domain held:{stop.domain}", "domain held", f"All letters to {stop.domain} are held",
                (told, "A provider’s bad hour looks like this. What waits grows no older; whoever was refused is "
                 "suppressed, but only suspected.",
                 f"Once it is over: verdicts deliveries release {stop.domain} --reason WHY", *_decide(digest.slot)),
                "/operator/suppressions",
            )  # fmt: skip
        elif digest.state == "paused":
            decide = _decide(digest.slot) if stop.rule == "hard" else ()
            yield Condition(
                f"stopped:{digest.slot}", "stopped", f"Digest {digest.slot} stopped itself",
                (told, f"Find out why, then: verdicts digest resume {digest.slot} --reason WHY", *decide),
                f"/operator/digests/{digest.slot}",
            )  # fmt: skip


def _decide(slot: str) -> tuple[str, str]:
    return (
        f"Decide about the addresses, with --confirm or --lift: verdicts subscribers suspected --digest {slot}",
        f"What was refused at once goes out again with: verdicts deliveries retry {slot} --state failed",
    )


def undecided_suppressions(session: Session, now: datetime) -> Iterator[Condition]:  # noqa: ARG001
    """Suspected suppressions of digests on which no stop stands any more, so that they are not forgotten."""
    told_already = {stop.digest_id for stop, _ in stops.standing_stops(session)}  # with what to do, by the check above
    left = Counter[int]()
    for group in suspected.groups(session):
        left[group.digest_id] += group.number
    slots = digests.slots_of(session, left.keys() - told_already)
    for digest_id, slot in slots.items():
        yield Condition(
            f"suspected:{slot}", "suspected", f"Suppressions of {slot} wait for a decision: {left[digest_id]:,}",
            ("They were suppressed while a mail server may have refused everybody.", *_decide(slot)),
            "/operator/suppressions",
        )  # fmt: skip
