"""Which comparisons the next digest takes, and the archive: comparisons that are published without a digest."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session, joinedload

from db.digests import catalog
from db.digests.catalog import Comparison
from db.digests.digests import Digest, DigestComparison
from db.rules import Refused

MANY = 10
"""More new comparisons than this in one step need an editor's word before they all stand in one digest."""
LISTED = "comparisons that earlier releases passed over would stand in it"
_NAMED = 3
_PAGE = 1000  # a statement takes a limited number of parameters


# ---- queries -----------------------------------------------------------------------------------------------


def new(session: Session, until: datetime) -> list[Comparison]:
    """Comparisons published until then that stand in no digest and are not archived, newest first, each with its tools
    and their reviews. However old they are: a week without a digest uses nothing up."""
    query = select(Comparison).where(_is_new(until)).options(*catalog.WHOLE)
    return list(session.scalars(query.order_by(Comparison.publish_at.desc(), Comparison.id.desc())))


def passed_over(session: Session, until: datetime) -> list[Comparison]:
    """The new comparisons that earlier releases passed over, newest first, until an editor has released them."""
    query = select(Comparison).where(_is_new(until), Comparison.passed_over_at.is_not(None)).options(*_NAMES)
    return list(session.scalars(query.order_by(Comparison.publish_at.desc(), Comparison.id.desc())))


def listed(session: Session, until: datetime) -> list[Comparison]:
    """As `new`, but only with the names of the tools."""
    query = select(Comparison).where(_is_new(until)).options(*_NAMES)
    return list(session.scalars(query.order_by(Comparison.publish_at.desc(), Comparison.id.desc())))


def to_archive(session: Session, slugs: Iterable[str]) -> list[str]:
    """Which of these `archive` would change. Raises Refused when one of them does not exist."""
    found: list[str] = []
    for page in _pages(session, slugs):
        found += session.scalars(select(Comparison.slug).where(Comparison.slug.in_(page), _may_be_archived()))
    return found


def holds(digest: Digest) -> bool:
    """Whether the digest is held because of comparisons that earlier releases passed over."""
    return digest.state == "held" and LISTED in (digest.reason or "")


def reason(found: list[Comparison]) -> str:
    """Why a digest with these comparisons is held: how many they are, the newest by name, and what to do."""
    names = ", ".join(each.heading for each in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return (
        f"{len(found)} {LISTED}: {names}{more}. Release it to send them, or leave them out: "
        "verdicts comparisons archive --passed-over"
    )


_NAMES = joinedload(Comparison.a), joinedload(Comparison.b)


def _taken() -> ColumnElement[bool]:
    return exists().where(DigestComparison.comparison_id == Comparison.id)


def _may_be_archived() -> ColumnElement[bool]:
    return Comparison.archived_at.is_(None) & ~_taken()


def _pages(session: Session, slugs: Iterable[str]) -> Iterator[list[str]]:
    """These slugs in pages. Raises Refused when there is no comparison of one of them."""
    wanted = sorted(set(slugs))
    if missing := set(wanted) - catalog.comparison_slugs(session):
        raise Refused(f"There is no comparison {min(missing)}; `verdicts comparisons list` names the new ones.")
    for at in range(0, len(wanted), _PAGE):
        yield wanted[at : at + _PAGE]


def _is_new(until: datetime) -> ColumnElement[bool]:
    return (Comparison.publish_at <= until) & _may_be_archived()


# ---- changes -----------------------------------------------------------------------------------------------


def archive(session: Session, slugs: Iterable[str], now: datetime) -> list[str]:
    """Publish these comparisons without a digest. Returns those that this changed: not those that stand in a digest, or
    were archived before. Raises Refused, and changes nothing, when one of them does not exist."""
    return _put(session, slugs, now, _may_be_archived())


def unarchive(session: Session, slugs: Iterable[str]) -> list[str]:
    """Take these comparisons out of the archive, so that the next digest takes them. Returns those that this changed.
    Raises Refused, and changes nothing, when one of them does not exist."""
    return _put(session, slugs, None, Comparison.archived_at.is_not(None))


def release(session: Session) -> None:
    """An editor has seen the list and released the digest: nothing counts as passed over any more."""
    session.execute(update(Comparison).where(Comparison.passed_over_at.is_not(None)).values(passed_over_at=None))


def _put(session: Session, slugs: Iterable[str], moment: datetime | None, where: ColumnElement[bool]) -> list[str]:
    changed: list[str] = []
    for page in _pages(session, slugs):
        query = update(Comparison).where(Comparison.slug.in_(page), where).values(archived_at=moment)
        changed += session.scalars(query.returning(Comparison.slug))
    return changed
