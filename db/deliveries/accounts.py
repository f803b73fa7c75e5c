"""Reconciles a digest: its audience, its deliveries and the sum of their states must agree at every instant."""

from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from db.deliveries.deliveries import EXCEPTION, SENDING, STATES, WAITING, Delivery
from db.digests.digests import Digest
from db.subscribers import audiences


@dataclass(frozen=True, slots=True)
class Account:
    """The three numbers that must agree: the audience counted at the freeze, the rows, the sum of the states.

    `unaddressed` is the part of the audience beyond the addressing cursor; it is counted from `subscribers`.
    """

    audience: int
    unaddressed: int
    rows: int
    states: dict[str, int]
    removed: int = 0
    """How many of the rows were removed since, as their time was over; then `states` are those of the digest's end."""

    @property
    def holds(self) -> bool:
        return self.audience == self.unaddressed + self.rows and self.rows == sum(self.states.values())


def account(session: Session, digest: Digest) -> Account:
    """The digest's account; needs a snapshot transaction."""
    where = Delivery.letter == "digest", Delivery.about == digest.id
    found = dict(session.execute(select(Delivery.state, func.count()).where(*where).group_by(Delivery.state)).all())
    rows = session.scalar(select(func.count()).select_from(Delivery).where(*where)) or 0
    if digest.removed:
        ended = dict.fromkeys(STATES, 0) | (digest.outcomes or {})
        return Account(digest.audience or 0, 0, rows + digest.removed, ended, digest.removed)
    beyond = _unaddressed(session, digest)
    return Account(digest.audience or 0, beyond, rows, {state: found.get(state, 0) for state in STATES})


def progress(session: Session, digest: Digest) -> Account:
    """The digest's account as pages show it: a third of the cost of `account`, and no query once it has ended.

    Rows are counted in the unique index and unsent letters in the small partial indexes; sent is the difference. So
    it cannot notice a row with an invalid state, as `account` does. A single statement reads a consistent snapshot.
    """
    if digest.outcomes is not None:
        states = dict.fromkeys(STATES, 0) | digest.outcomes
        return Account(digest.audience or 0, 0, sum(digest.outcomes.values()), states, digest.removed or 0)
    found: dict[str, int] = {kind: number for kind, number in session.execute(_PROGRESS, {"digest": digest.id})}  # noqa: C416
    rows, waiting = found.pop("rows"), found.pop("waiting")
    states = dict.fromkeys(STATES, 0) | found
    states["pending"] = waiting - states["deferred"]
    states["sent"] = rows - sum(states.values())
    return Account(digest.audience or 0, _unaddressed(session, digest), rows, states)


_OF_IT = "FROM deliveries WHERE letter = 'digest' AND about = :digest"


# For the letters being sent, SQLite would choose the unique index and read every row of the digest. `|| ''` and `+ 0`
# keep it off that index, so that it uses the small partial one.
_PROGRESS = text(
    f"SELECT 'rows', count(*) {_OF_IT} UNION ALL SELECT 'waiting', count(*) {_OF_IT} AND {WAITING.text}"
    " UNION ALL SELECT 'sending', count(*) FROM deliveries"
    f" WHERE letter || '' = 'digest' AND about + 0 = :digest AND {SENDING.text}"
    f" UNION ALL SELECT state, count(*) {_OF_IT} AND {EXCEPTION.text} GROUP BY state"
)


def _unaddressed(session: Session, digest: Digest) -> int:
    if digest.state != "frozen":
        return 0
    beyond = text("SELECT count(*) FROM subscribers WHERE id > :after AND " + audiences.AUDIENCE)
    return session.scalar(beyond, {"after": digest.addressed_to, "freeze": digest.freeze}) or 0
