"""Addresses a digest: one delivery per person in its audience, in pages with a stored cursor (keyset pagination).

The same statement stores each reader's own votes on the digest's tools, so that no letter needs a query for them, and a
letter that is written again is the same even if the reader has changed their mind.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

from db.deliveries.deliveries import WAITING
from db.digests import rule_history
from db.digests.digests import Digest
from db.persons import PERSON_OF_ID, person_in
from db.session import Moment, is_sqlite
from db.settings import settings
from db.subscribers import audiences

PAGE = 10_000
"""People addressed in one transaction, which takes about 0.2 s with their votes, so that no vote waits for long."""


def address(session: Session, digest: Digest, now: datetime) -> int:
    """Address the digest's next page of people. Returns the number addressed; 0 when everybody is.

    The cursor is stored in the page's own transaction, so a kill between two pages neither repeats nor skips anybody.
    """
    last = session.scalar(_LAST, {"freeze": digest.freeze, "after": digest.addressed_to, "page": PAGE})
    if last is None:
        return 0
    page = {"after": digest.addressed_to, "last": last, "freeze": digest.freeze}
    moment, given = _moments(session, page, digest, now)
    moments = (bindparam(name, type_=Moment()) for name, value in given.items() if isinstance(value, datetime))
    if not is_sqlite(session):
        # PostgreSQL overestimates the subquery, and to compile it would take longer than the page does.
        session.execute(text("SET LOCAL jit = off"))
    address = text(_address(moment, digest.tool_ids or ()))
    done = session.execute(address.bindparams(*moments), page | given | {"digest": digest.id})
    digest.addressed_to = last
    return int(done.rowcount)  # type: ignore[attr-defined]


_LAST = text(
    "SELECT max(id) FROM (SELECT id FROM subscribers WHERE id > :after AND "
    + audiences.AUDIENCE
    + " ORDER BY id LIMIT :page) AS page"
)


_PAGE = "WHERE id > :after AND id <= :last AND " + audiences.AUDIENCE


def _address(moment: str, tools: Sequence[int]) -> str:
    """SQL that addresses one page."""
    return (
        "INSERT INTO deliveries (letter, about, person, state, not_before, tries, created_at, own_votes)"
        f" SELECT 'digest', :digest, {PERSON_OF_ID}, 'pending', {moment}, 0, :now, {_own_votes(tools)}"
        f" FROM subscribers {_PAGE} ORDER BY id"
    )


def _own_votes(tools: Sequence[int]) -> str:
    """SQL for a reader's votes on these tools, a character each; NULL without any.

    It is a subquery for each reader: of a join, PostgreSQL would make one of all votes on these tools, for every page.
    """
    if not tools:
        return "NULL"
    vote = "coalesce(max(CASE v.tool_id WHEN {:d} THEN CASE v.choice WHEN 'ship' THEN 's' ELSE 'k' END END), '-')"
    return (
        f"(SELECT rtrim({' || '.join(map(vote.format, tools))}, '-') FROM votes AS v"
        f" WHERE v.voter = {person_in('subscribers.id')} AND v.tool_id IN ({', '.join(map('{:d}'.format, tools))})"
        " AND v.choice IS NOT NULL GROUP BY v.voter)"
    )


def _moments(session: Session, page: dict[str, Any], digest: Digest, now: datetime) -> tuple[str, dict[str, Any]]:
    """SQL for each reader's due moment (now, or the digest's hour in their time zone), and its parameters."""
    if not settings().digest_local_time:
        return ":now", {"now": now}
    rule = rule_history.rule_then(session, digest.due_at)
    zones = session.scalars(text(f"SELECT DISTINCT time_zone FROM subscribers {_PAGE} AND time_zone IS NOT NULL"), page)
    given: dict[str, Any] = {"now": now}
    cases = ""
    for at, zone in enumerate(sorted(zones)):
        given |= {f"zone_{at}": zone, f"strikes_{at}": rule.strikes(zone, digest.frozen_at or now)}
        cases += f" WHEN :zone_{at} THEN :strikes_{at}"
    return (f"CASE time_zone{cases} ELSE :now END" if cases else ":now"), given


def cancel(session: Session, digest_id: int, now: datetime) -> int:
    """Cancel the next page of a digest's unclaimed letters. Returns the number cancelled; 0 when none is left."""
    return int(session.execute(_CANCEL, {"digest": digest_id, "now": now, "page": PAGE}).rowcount)  # type: ignore[attr-defined]


_CANCEL = text(
    "UPDATE deliveries SET state = 'cancelled', reason = NULL, not_before = :now, settled_at = :now WHERE id IN"
    " (SELECT id FROM deliveries WHERE letter = 'digest' AND about = :digest"
    f" AND {WAITING.text} ORDER BY id LIMIT :page) AND {WAITING.text}"
).bindparams(bindparam("now", type_=Moment()))
"""The state is checked twice: a PostgreSQL UPDATE that waited for a lock re-checks only its own WHERE clause."""
