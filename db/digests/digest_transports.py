"""The kind of transport through which each digest is sent: the first sender that takes it up decides."""

from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.digests.digests import Digest


def begin(session: Session, ids: Iterable[int], kind: str) -> None:
    """Record the kind for those of these digests that no sender has begun. One conditional UPDATE, so that of two
    senders that begin at once one decides."""
    query = update(Digest).where(Digest.id.in_(list(ids)), Digest.transport.is_(None)).values(transport=kind)
    session.execute(query.execution_options(synchronize_session=False))


def of(session: Session, ids: Iterable[int]) -> dict[int, str | None]:
    """The kind of each of these digests, by the digest's id; None for one that no sender has begun."""
    return dict(session.execute(select(Digest.id, Digest.transport).where(Digest.id.in_(list(ids)))).all())


def begun(session: Session) -> list[tuple[str, str]]:
    """The slot and the kind of each digest that senders have begun and that is being sent or paused."""
    query = select(Digest.slot, Digest.transport).where(Digest.state.in_(("sending", "paused")))
    return [(slot, kind) for slot, kind in session.execute(query.order_by(Digest.id)) if kind]
