"""Bulk actions on a digest's deliveries, in pages: each is one transaction with its own audit entry."""

from collections.abc import Callable
from datetime import datetime

from db import rules
from db.deliveries import deliveries, exceptions
from db.deliveries.exceptions import RETRIED, DeliveryFilter
from db.digests import digests
from db.digests.digests import Digest
from db.operators import audit
from db.operators.audit import Actor
from db.rules import Refused
from db.session import Session, reading, writing
from web.actions import Progress

_KEPT = rules.RETENTION["deliveries"].until
_STAYS = "The digest keeps its final account."
_OWING = ("sending", "paused", "finished")


def retry(
    actor: Actor, slot: str, now: datetime, chosen: DeliveryFilter, *, note: str | None = None, on_page: Progress = int
) -> int:  # fmt: skip
    """Retry a digest's failed and deferred letters that match the filter. Returns how many."""
    chosen = chosen.within(RETRIED)

    def page(session: Session, found: Digest, after: int) -> list[int]:
        _may_owe(found)
        return exceptions.retry(session, found.id, now, chosen, after)

    return _in_pages(actor, slot, now, "deliveries.retry", chosen, "pending", note, on_page, page)


def resolve(
    actor: Actor,
    slot: str,
    as_sent: bool,
    now: datetime,
    chosen: DeliveryFilter,
    *,
    note: str | None = None,
    on_page: Progress = int,
) -> int:
    """Resolve a digest's unknown letters that match the filter. Returns how many."""
    chosen = chosen.within(("unknown",))

    def page(session: Session, found: Digest, after: int) -> list[int]:
        if not as_sent:
            _may_owe(found)
        return exceptions.resolve(session, found.id, as_sent, now, chosen, after)

    state = "sent" if as_sent else "pending"
    return _in_pages(actor, slot, now, "deliveries.resolve", chosen, state, note, on_page, page)


def _may_owe(found: Digest) -> None:
    if found.state not in _OWING:
        raise Refused(f"Digest {found.slot} is {found.state}; letters are sent again while it is sending, paused or "
                      "finished.")  # fmt: skip


def _in_pages(
    actor: Actor,
    slot: str,
    now: datetime,
    action: str,
    chosen: DeliveryFilter,
    state: str,
    note: str | None,
    on_page: Progress,
    page: Callable[[Session, Digest, int], list[int]],
) -> int:
    total = after = 0
    while True:
        with writing() as session:
            found = digests.get(session, slot, lock=True)
            if found.removed:
                raise Refused(f"The letters of {slot} are over: deliveries are kept for {_KEPT}. {_STAYS}")
            ids = page(session, found, after)
            if ids:
                audit.record(session, actor, action, now, about=f"digest {slot}", chosen_by=chosen.words, ids=ids,
                           after={"state": state}, note=note)  # fmt: skip
                digests.reopen(found)
            deliveries.finish(session, found.id, now)
        if not ids:
            return total
        total, after = total + len(ids), ids[-1]
        on_page(len(ids))


def count(slot: str, chosen: DeliveryFilter) -> int:
    """How many of a digest's exceptions match a filter."""
    with reading() as session:
        return exceptions.count(session, digests.get(session, slot).id, chosen)
