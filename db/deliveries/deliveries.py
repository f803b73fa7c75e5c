"""Ledger 3: every letter to every person, and what became of it.

pending → sending (claim) → sent | deferred (not_before) | failed | skipped (reason) | unknown | cancelled.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, Text, TextClause, UniqueConstraint, bindparam, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.digests import schedule
from db.digests.digests import IN_ORDER, OF_DIGEST, Digest
from db.persons import PERSON_OF_ID
from db.session import NEVER_REUSED, BigId, Key, Moment, Row, ring
from db.settings import settings
from db.subscribers import audiences

STATES = ("pending", "sending", "sent", "deferred", "failed", "skipped", "unknown", "cancelled")
WAITING = text("state in ('pending', 'deferred')")
SENDING = text("state = 'sending'")
_UNKNOWN = text("state = 'unknown'")
EXCEPTION = text("state in ('deferred', 'failed', 'skipped', 'unknown', 'cancelled')")
"""Literal texts, not parameters: SQLite takes a partial index only for a condition that reads like the index's own."""
PAGE = 10_000
"""People addressed in one transaction: some 0.1 s, so that no vote waits for long."""


class Delivery(Row):
    """One letter to one person. `about` is the row that caused it; a repeat is a new cause, never a second row."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("letter", "about", "person"),
        CheckConstraint("state in ('" + "', '".join(STATES) + "')", name="state"),
        Index("ix_deliveries_waiting", "letter", "about", "id", sqlite_where=WAITING, postgresql_where=WAITING),
        Index("ix_deliveries_sending", "claim", "id", sqlite_where=SENDING, postgresql_where=SENDING),
        Index("ix_deliveries_unknown", "about", "id", sqlite_where=_UNKNOWN, postgresql_where=_UNKNOWN),
        Index(
            "ix_deliveries_exceptions",
            "letter",
            "about",
            "state",
            "code",
            "reason",
            "id",
            sqlite_where=EXCEPTION,
            postgresql_where=EXCEPTION,
        ),
        Index("ix_deliveries_person", "person"),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    letter: Mapped[str]
    about: Mapped[int] = mapped_column(BigId)
    person: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    not_before: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    claim: Mapped[int | None] = mapped_column(BigId)
    code: Mapped[int | None]
    reply: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


def message_id(delivery_id: int, letter: str, created_at: datetime, domain: str) -> str:
    """The Message-ID (RFC 5322 3.6.4) of a delivery: the same on every attempt, another for every recipient."""
    return f"<{letter}.{delivery_id}.{int(created_at.timestamp())}@{domain}>"


# ---- orders: address ---------------------------------------------------------------------------------------


def owe(session: Session, letter: str, about: int, person: str, now: datetime) -> None:
    """Owe one letter to one person; owing it again changes nothing."""
    session.execute(_OWE, {"letter": letter, "about": about, "person": person, "now": now})
    ring(session, "mail")


_OWE = text(
    "INSERT INTO deliveries (letter, about, person, state, not_before, tries, created_at)"
    " VALUES (:letter, :about, :person, 'pending', :now, 0, :now) ON CONFLICT (letter, about, person) DO NOTHING"
).bindparams(bindparam("now", type_=Moment()))


def address(session: Session, digest: Digest, now: datetime) -> int:
    """Address the digest's next page of people; the number addressed, 0 when everybody is.

    The cursor is saved with the page, so a kill between two pages neither repeats nor leaves out anybody.
    """
    last = session.scalar(_LAST, {"freeze": digest.freeze, "after": digest.addressed_to, "page": PAGE})
    if last is None:
        return 0
    page = {"after": digest.addressed_to, "last": last, "freeze": digest.freeze}
    moment, given = _moments(session, page, digest.frozen_at or now, now)
    moments = (bindparam(name, type_=Moment()) for name, value in given.items() if isinstance(value, datetime))
    done = session.execute(
        text(_ADDRESS.format(moment=moment)).bindparams(*moments), page | given | {"digest": digest.id}
    )
    digest.addressed_to = last
    return int(done.rowcount)  # type: ignore[attr-defined]


_LAST = text(
    "SELECT max(id) FROM (SELECT id FROM subscribers WHERE id > :after AND "
    + audiences.AUDIENCE
    + " ORDER BY id LIMIT :page) AS page"
)
_PAGE = " FROM subscribers WHERE id > :after AND id <= :last AND " + audiences.AUDIENCE
_ADDRESS = (
    "INSERT INTO deliveries (letter, about, person, state, not_before, tries, created_at)"
    f" SELECT 'digest', :digest, {PERSON_OF_ID}, 'pending', {{moment}}, 0, :now{_PAGE} ORDER BY id"
)


def _moments(session: Session, page: dict[str, Any], frozen_at: datetime, now: datetime) -> tuple[str, dict[str, Any]]:
    """SQL for the moment at which each reader of a page is due, and its values: now, or their own zone's hour."""
    if not settings().digest_local_time:
        return ":now", {"now": now}
    rule = schedule.of_digests()
    zones = session.scalars(text("SELECT DISTINCT time_zone" + _PAGE + " AND time_zone IS NOT NULL"), page)
    given: dict[str, Any] = {"now": now}
    cases = ""
    for at, zone in enumerate(sorted(zones)):
        given |= {f"zone_{at}": zone, f"strikes_{at}": rule.strikes(zone, frozen_at)}
        cases += f" WHEN :zone_{at} THEN :strikes_{at}"
    return (f"CASE time_zone{cases} ELSE :now END" if cases else ":now"), given


def cancel(session: Session, digest_id: int, now: datetime) -> int:
    """Cancel the next page of what of a digest has not been claimed yet; the number cancelled, 0 when all is."""
    return int(session.execute(_CANCEL, {"digest": digest_id, "now": now, "page": PAGE}).rowcount)  # type: ignore[attr-defined]


_CANCEL = text(
    "UPDATE deliveries SET state = 'cancelled', reason = NULL, not_before = :now, settled_at = :now WHERE id IN"
    " (SELECT id FROM deliveries WHERE letter = 'digest' AND about = :digest AND state in ('pending', 'deferred')"
    " ORDER BY id LIMIT :page) AND state in ('pending', 'deferred')"
).bindparams(bindparam("now", type_=Moment()))
"""The state is asked twice: on PostgreSQL an UPDATE that waited for a claim looks at its own conditions again only."""


def forget(session: Session, person: str) -> None:
    """Drop the mail servers' words about somebody who is erased: they tend to quote the address."""
    session.execute(text("UPDATE deliveries SET reply = NULL WHERE person = :person"), {"person": person})


# ---- questions ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """The three numbers that must agree: the audience counted at the freeze, the rows, the sum of the states.

    `unaddressed` is what of the audience still lies beyond the addressing's cursor; it is counted from `subscribers`.
    """

    audience: int
    unaddressed: int
    rows: int
    states: dict[str, int]

    @property
    def holds(self) -> bool:
        return self.audience == self.unaddressed + self.rows and self.rows == sum(self.states.values())


def account(session: Session, digest: Digest) -> Account:
    """The digest's account; needs a transaction that sees one instant."""
    where = Delivery.letter == "digest", Delivery.about == digest.id
    found = dict(session.execute(select(Delivery.state, func.count()).where(*where).group_by(Delivery.state)).all())
    rows = session.scalar(select(func.count()).select_from(Delivery).where(*where)) or 0
    beyond = _unaddressed(session, digest)
    return Account(digest.audience or 0, beyond, rows, {state: found.get(state, 0) for state in STATES})


def progress(session: Session, digest: Digest) -> Account:
    """The digest's account as pages show it, at a third of what `account` asks, and for nothing once it has ended.

    The rows are counted by their unique key, the letters that are not sent by the small indexes on them, and sent is
    the rest: so it cannot find a row whose state is none, which `account` can. One statement sees one instant.
    """
    if digest.outcomes is not None:
        return Account(
            digest.audience or 0, 0, sum(digest.outcomes.values()), dict.fromkeys(STATES, 0) | digest.outcomes
        )
    found: dict[str, int] = {kind: number for kind, number in session.execute(_PROGRESS, {"digest": digest.id})}  # noqa: C416
    rows, waiting = found.pop("rows"), found.pop("waiting")
    states = dict.fromkeys(STATES, 0) | found
    states["pending"] = waiting - states["deferred"]
    states["sent"] = rows - sum(states.values())
    return Account(digest.audience or 0, _unaddressed(session, digest), rows, states)


_OF_IT = "FROM deliveries WHERE letter = 'digest' AND about = :digest"
# SQLite would take the unique key for those being sent, and look at every row: `|| ''` and `+ 0` keep it from that.
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


def of_person(session: Session, person: str) -> list[Delivery]:
    """Every delivery to one person, oldest first."""
    return list(session.scalars(select(Delivery).where(Delivery.person == person).order_by(Delivery.id)))


def owing(session: Session, digest_id: int) -> bool:
    """Whether anything of a digest is still owed or in doubt."""
    return any(_any(session, digest_id, state) for state in (WAITING, SENDING, _UNKNOWN))


def only_in_doubt(session: Session, digest_id: int) -> bool:
    """Whether all that a digest still owes is letters in doubt."""
    over = not (_any(session, digest_id, WAITING) or _any(session, digest_id, SENDING))
    return over and _any(session, digest_id, _UNKNOWN)


def waiting(session: Session, digest_id: int) -> bool:
    """Whether a letter of a digest waits to be claimed."""
    return _any(session, digest_id, WAITING)


def _any(session: Session, digest_id: int, state: TextClause) -> bool:
    if state is WAITING:
        return session.scalar(_FIRST_WAITING, {"digest": digest_id}) is not None
    here = Delivery.letter == "digest", Delivery.about == digest_id, state
    return session.scalar(select(Delivery.id).where(*here).limit(1)) is not None


_FIRST_WAITING = text(
    f"SELECT id FROM deliveries WHERE {OF_DIGEST.format(digest=':digest')} AND {WAITING.text}{IN_ORDER} LIMIT 1"
)
