"""Step 5 of the claim protocol: recovers a dead sender's letters."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from db import rules
from db.deliveries import reasons
from db.deliveries.claiming.claims import Claim
from db.deliveries.deliveries import SENDING, Delivery
from db.deliveries.limits import daily_limit
from db.driver import driver_connection_of
from db.session import is_sqlite, ring


def recover(session: Session, resend_digests: bool, now: datetime) -> int:
    """5. End lapsed claims: the first `win` unsettled letters become unknown, all later ones go back to pending.

    Returns the number of claims ended. `win` comes from the claim, whatever the current settings are.
    """
    lapsed = (
        select(Claim.id, Claim.win, Claim.reserved, Claim.digest_id)
        .where(Claim.has_lapsed(now))
        .order_by(Claim.id)
        .limit(100)
    )
    if not is_sqlite(session):
        lapsed = lapsed.with_for_update(skip_locked=True)
    claims = session.execute(lapsed).all()
    for number, win, reserved, digest_id in claims:
        # A separate statement, so that it sees what the sender settled while we waited for the lock on its claim.
        left = select(Delivery.id, Delivery.letter).where(Delivery.claim == number, SENDING)
        rows = session.execute(left.order_by(Delivery.id)).all()
        doubted = [row.id for row in rows[:win] if not _resent(row.letter, resend_digests)]
        again = [row.id for row in rows[:win] if _resent(row.letter, resend_digests)]
        _put(session, doubted, {"state": "unknown", "reason": "the sender ended before the reply was kept"})
        _put(session, again, {"state": "pending", "claim": None, "reason": reasons.AGAIN_AFTER_DOUBT})
        _put(session, [row.id for row in rows[win:]], {"state": "pending", "claim": None})
        session.execute(delete(Claim).where(Claim.id == number))
        if reserved is not None:  # only letters never begun surely count no more
            with driver_connection_of(session) as driver:
                daily_limit.end(driver, reserved - len(rows[win:]), now, single=digest_id is None)
    if claims:
        ring(session, "mail")
    return len(claims)


def _resent(letter: str, resend_digests: bool) -> bool:
    return rules.LETTERS[letter].doubt == "resend" or (letter == "digest" and resend_digests)


def _put(session: Session, ids: list[int], values: dict[str, Any]) -> None:
    if ids:
        session.execute(update(Delivery).where(Delivery.id.in_(ids), Delivery.state == "sending").values(**values),
                        execution_options={"synchronize_session": False})  # fmt: skip


def any_lapsed(session: Session, now: datetime) -> bool:
    """Whether a sender's lease has lapsed."""
    query = select(Claim.id).where(Claim.has_lapsed(now)).limit(1)
    if not is_sqlite(session):
        query = query.where(_UP_FOR_SECONDS)
    return session.scalar(query) is not None


_UP_FOR_SECONDS = text("pg_postmaster_start_time() < now() - interval '5 seconds'")
"""Leases lapse while PostgreSQL restarts. Their senders, which live, first have time to write what they know."""


def lapsed(session: Session, now: datetime, limit: int = 20) -> list[Claim]:
    """Claims whose lease has lapsed; a running sender recovers them within seconds."""
    return list(session.scalars(select(Claim).where(Claim.has_lapsed(now)).order_by(Claim.lease).limit(limit)))
