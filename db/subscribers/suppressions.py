"""The suppression list as operators see it: why each address stands there, and how one is taken off again."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from db import rules
from db.addresses import hashes_of, normal
from db.rules import Refused
from db.subscribers.subscribers import Suppression

# ---- questions ---------------------------------------------------------------------------------------------


def of_address(session: Session, address: str) -> Suppression | None:
    """What stands against an address, however it is written; BadAddress for what is none."""
    return session.scalars(select(Suppression).where(Suppression.address_hash.in_(hashes_of(normal(address))))).first()


def get(session: Session, address_hash: str, *, lock: bool = False) -> Suppression:
    """The suppression of that hash; Refused when there is none."""
    found = session.get(Suppression, address_hash, with_for_update=lock or None, populate_existing=True)
    if found is None:
        raise Refused("That suppression is not there (any more). The list shows those that are.")
    return found


def counts(session: Session) -> dict[str, int]:
    """How many addresses stand on the list for each reason."""
    found = dict(session.execute(select(Suppression.reason, func.count()).group_by(Suppression.reason)).all())
    return {reason: found.get(reason, 0) for reason in rules.SUPPRESSIONS}


def page(
    session: Session, reason: str | None, *, before: tuple[datetime, str] | None = None, limit: int = 50
) -> list[Suppression]:
    """The list, the newest first, beginning below the moment and hash `before`."""
    query = select(Suppression)
    if reason is not None:
        query = query.where(Suppression.reason == reason)
    if before is not None:
        query = query.where(tuple_(Suppression.at, Suppression.address_hash) < before)
    return list(session.scalars(query.order_by(Suppression.at.desc(), Suppression.address_hash.desc()).limit(limit)))


# ---- orders ------------------------------------------------------------------------------------------------


def lift(session: Session, address_hashes: Collection[str], *, as_admin: bool, note: str | None) -> list[Suppression]:
    """Take addresses off the list; those that stood there. Refused where the reason asks for more than was given."""
    lifted = []
    for each in address_hashes:
        found = get(session, each, lock=True)
        rule = rules.SUPPRESSIONS[found.reason]
        if rule.lifted_by == "admin" and not as_admin:
            raise Refused(f"Suppressed since {found.at:%Y-%m-%d}, {found.reason}: this is lifted {rule.lifted}.")
        if rule.lifted_by == "admin" and not note:
            raise Refused(f"Suppressed because of: {found.reason}. Say in the note why it is lifted all the same.")
        session.execute(delete(Suppression).where(Suppression.address_hash == each))
        lifted.append(found)
    return lifted
