"""What webhooks are told of each event: plain values for programs, and a sentence for a chat.

Neither holds an address, a network or a name of a person: readers are told by number, and notes and reasons that people
wrote are left out.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from db.deliveries import accounts
from db.digests import catalog, digests
from db.digests.catalog import Comparison, Tool
from db.digests.digests import Digest
from db.jobs import jobs
from db.jobs.events import (
    AlertClosed,
    AlertOpened,
    ComparisonPublished,
    DigestCancelled,
    DigestFinished,
    DigestFrozen,
    Event,
    FiguresChanged,
    SubscriptionConfirmed,
    SubscriptionEnded,
)
from db.monitoring.alerts import Alert
from db.rules import share
from db.settings import settings
from db.subscribers import subscribers
from db.values import duration
from db.webhooks import messages, webhooks
from db.webhooks.event_types import TEST
from db.webhooks.messages import Told


def tell_webhooks(session: Session, event: Event, now: datetime) -> None:
    """Queue a message for each webhook that hears this event."""
    if isinstance(event, ComparisonPublished):
        comparison = session.get_one(Comparison, event.comparison)
        if comparison.publish_at > now:
            jobs.record_later(session, event, tell_webhooks.__name__, comparison.publish_at, now)
            return
    event_type, compose = EVENTS[type(event)]
    hearing = webhooks.hearing(session, event_type)
    if not hearing:
        return
    at, data, text, *cause = compose(session, event)
    for webhook in hearing:
        messages.tell(session, webhook, Told(event_type, at or now, data, text, *cause), now)


def test(now: datetime) -> Told:
    """What “Send a test” tells."""
    name = settings().site_name
    return Told(TEST, now, {"site": name}, f"A test from {name}: this webhook works.")


def _url(path: str) -> str:
    return f"{settings().base_url}{path}"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


# ---- readers and their votes -------------------------------------------------------------------------------------

Composed = tuple[Any, ...]
"""When it happened (None for now), data, sentence, and the cause of what is told once only."""


def _confirmed(session: Session, event: Any) -> Composed:
    given = [each.at for each in subscribers.history(session, event.subscriber) if each.sign_up == event.sign_up]
    text = f"A reader confirmed their subscription (subscriber {event.subscriber})."
    return max(given, default=None), {"subscriber": event.subscriber}, text


def _ended(session: Session, event: Any) -> Composed:
    spoken = [each.at for each in subscribers.history(session, event.subscriber) if each.what == "withdrawn"]
    verb = "was erased" if event.channel == "erasure" else "unsubscribed"
    data = {"subscriber": event.subscriber, "channel": event.channel}
    return max(spoken, default=None), data, f"A reader {verb} (subscriber {event.subscriber})."


def _figures(session: Session, event: Any) -> Composed:
    tool, percent = session.get_one(Tool, event.tool), share(event.ship, event.skip)
    data = {
        "tool": tool.slug, "name": tool.name, "ship": event.ship, "skip": event.skip, "community_ship": percent,
        "url": _url(f"/tools/{tool.slug}"),
    }  # fmt: skip
    told = "no votes now" if percent is None else f"{event.ship:,} ship, {event.skip:,} skip ({percent}% ship)"
    return datetime.fromisoformat(event.at), data, f"Votes on {tool.name}: {told}."


def _comparison(session: Session, event: Any) -> Composed:
    found = session.get_one(Comparison, event.comparison)
    url = _url(f"/compare/{found.slug}")
    data = {
        "comparison": found.slug, "question": found.question, "url": url,
        "tools": [{"tool": tool.slug, "name": tool.name} for tool in found.tools],
    }  # fmt: skip
    text = f"New comparison: {found.heading}. {found.question} {url}"
    return found.publish_at, data, text, f"comparison {found.id}"


# ---- digests -----------------------------------------------------------------------------------------------------


def _frozen(session: Session, event: Any) -> Composed:
    digest = session.get_one(Digest, event.digest)
    url = _url(f"/digests/{digest.slot}")
    compared = catalog.slugs_of(session, digests.comparisons_of(session, digest.id))
    data = {
        "digest": digest.slot, "subject": digest.subject, "audience": digest.audience, "comparisons": compared,
        "url": url,
    }  # fmt: skip
    text = f"Digest {digest.slot} is going out to {_many(digest.audience or 0, 'reader')}: {digest.subject}. {url}"
    return digest.frozen_at, data, text, f"digest {digest.id} frozen"


def _finished(session: Session, event: Any) -> Composed:
    digest = session.get_one(Digest, event.digest)
    states = accounts.progress(session, digest).states
    ended = {state: number for state, number in states.items() if state not in ("pending", "sending", "deferred")}
    data = {"digest": digest.slot, "audience": digest.audience, "letters": ended}
    told = ", ".join(f"{number:,} {state}" for state, number in ended.items() if number)
    return digest.finished_at, data, f"Digest {digest.slot} is finished: {told}."


def _cancelled(session: Session, event: Any) -> Composed:
    digest = session.get_one(Digest, event.digest)
    data = {"digest": digest.slot, "audience": digest.audience}
    return digest.finished_at, data, f"Digest {digest.slot} was cancelled.", f"digest {digest.id} cancelled"


# ---- alerts ------------------------------------------------------------------------------------------------------


def _opened(session: Session, event: Any) -> Composed:
    alert = session.get_one(Alert, event.alert)
    data = _of_alert(alert)
    return alert.opened_at, data, f"Alert: {alert.title}. {' '.join(data['sentences'])} {data['url']}"


def _closed(session: Session, event: Any) -> Composed:
    alert = session.get_one(Alert, event.alert, populate_existing=True)
    lasted = duration((alert.closed_at or alert.opened_at) - alert.opened_at)
    return alert.closed_at, _of_alert(alert), f"Over: {alert.title}. It lasted {lasted}."


def _of_alert(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.id, "kind": alert.kind, "title": alert.title, "sentences": alert.told.split("\n"),
        "opened_at": _iso(alert.opened_at), "closed_at": alert.closed_at and _iso(alert.closed_at),
        "url": _url(alert.link),
    }  # fmt: skip


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


class _Row(NamedTuple):
    event_type: str
    compose: Callable[[Session, Any], Composed]


EVENTS: Mapping[type[Event], _Row] = MappingProxyType(
    {
        AlertOpened: _Row("alert.opened", _opened),
        AlertClosed: _Row("alert.closed", _closed),
        ComparisonPublished: _Row("comparison.published", _comparison),
        DigestFrozen: _Row("digest.frozen", _frozen),
        DigestFinished: _Row("digest.finished", _finished),
        DigestCancelled: _Row("digest.cancelled", _cancelled),
        SubscriptionConfirmed: _Row("subscription.confirmed", _confirmed),
        SubscriptionEnded: _Row("subscription.ended", _ended),
        FiguresChanged: _Row("figures.changed", _figures),
    }
)
"""Which event is told by which name, and how."""
