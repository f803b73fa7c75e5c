"""The audit log: who did what, when and why, from the console or by command; append-only.

Database triggers refuse to change or delete an entry. Entries name readers by number, never by address, so that an
erased address does not remain here.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Text, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from db.masking import masked_fields, masked_in
from db.register import FreeFields, FreeText, OperatorAddress, OperatorNetwork, Plain
from db.session import NEVER_REUSED, Key, Row


class AuditEntry(Row):
    """One action: who took it, its subject, and the rows it affected (as ranges such as 3-17,21)."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_action", "action", "id"),
        Index("ix_audit_actor", "actor", "id"),
        Index("ix_audit_about", "about", "id"),
        Index("ix_audit_at", "at", "id"),
        NEVER_REUSED,
    )

    id: Mapped[Key]
    at: Mapped[datetime]
    actor: Mapped[OperatorAddress]
    ip: Mapped[OperatorNetwork | None]
    action: Mapped[Plain]
    about: Mapped[FreeText | None]
    chosen_by: Mapped[FreeFields | None] = mapped_column(JSON(none_as_null=True))
    count: Mapped[int]
    affected: Mapped[Plain | None] = mapped_column(Text)
    before: Mapped[FreeFields | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[FreeFields | None] = mapped_column(JSON(none_as_null=True))
    note: Mapped[FreeText | None] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an operator by address, or `command: NAME` for a user of the machine's shell."""

    name: str
    ip: str | None = None


def record(
    session: Session, actor: Actor, action: str, now: datetime, *, about: str | None = None,
    chosen_by: dict[str, Any] | None = None, ids: Iterable[int] = (), count: int | None = None,
    before: dict[str, Any] | None = None, after: dict[str, Any] | None = None, note: str | None = None,
) -> AuditEntry:  # fmt: skip
    """Record an action in the transaction that carries it out.

    `action` is a group and a verb, such as `jobs.retry`; `about` is its subject, such as `digest 2026-W47`;
    `chosen_by` is the filter that selected the rows, and `ids` are the rows (`count` where they are not listed). What
    is written in free words is stored with addresses masked: entries stay for ever.
    """
    met = sorted(set(ids))
    entry = AuditEntry(
        at=now, actor=actor.name, ip=actor.ip, action=action, about=_masked(about), chosen_by=masked_fields(chosen_by),
        count=len(met) if count is None else count, affected=ranges(met) or None, before=masked_fields(before),
        after=masked_fields(after), note=masked_in(note) if note else None,
    )  # fmt: skip
    session.add(entry)
    return entry


def _masked(about: str | None) -> str | None:
    """The subject with addresses masked, but for an operator's own: accounts are named by them."""
    return about if about is None or about.startswith("operator ") else masked_in(about)


def ranges(ids: list[int]) -> str:
    """Ascending numbers as ranges: [3, 4, 5, 9] is `3-5,9`. A million in a row take almost no space."""
    parts: list[list[int]] = []
    for each in ids:
        if parts and each == parts[-1][1] + 1:
            parts[-1][1] = each
        else:
            parts.append([each, each])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


# ---- queries -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """A filter over entries; an `action` that ends in a dot matches a whole group, such as `jobs.`."""

    actor: str | None = None
    action: str | None = None
    about: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def listed(session: Session, wanted: AuditFilter, limit: int, before: int | None = None) -> list[AuditEntry]:
    """A page of matching entries, newest first; `before` is the keyset cursor, the last id of the page before."""
    query = select(AuditEntry)
    if wanted.actor:
        query = query.where(AuditEntry.actor == wanted.actor)
    if wanted.action and wanted.action.endswith("."):
        query = query.where(
            AuditEntry.action >= wanted.action, AuditEntry.action < wanted.action[:-1] + "/"
        )  # "/" follows "." in ASCII, so this range holds every action with the prefix
    elif wanted.action:
        query = query.where(AuditEntry.action == wanted.action)
    if wanted.about:
        query = query.where(AuditEntry.about == wanted.about)
    if wanted.since:
        query = query.where(AuditEntry.at >= wanted.since)
    if wanted.until:
        # Ids grow with time, so an old page starts at an id instead of scanning all later entries.
        last = (
            select(AuditEntry.id)
            .where(AuditEntry.at < wanted.until)
            .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
            .limit(1)
        )
        query = query.where(AuditEntry.id <= last.scalar_subquery())
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return list(session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)))


def covers(affected: str | None, number: int) -> bool:
    """Whether a row's number is among those of ranges such as 3-17,21."""
    spans = [each.partition("-") for each in (affected or "").split(",") if each]
    return any(int(first) <= number <= int(last or first) for first, _, last in spans)


def touching(session: Session, names: Collection[str], number: int, most: int = 1_000) -> list[AuditEntry]:
    """The entries of these actions, the newest first, that are about the row with that number among others; of each
    action's entries the last `most` are looked through."""
    found = [each for name in names for each in listed(session, AuditFilter(action=name), most)]  # each by its index
    return sorted((each for each in found if covers(each.affected, number)), key=lambda each: -each.id)


def get(session: Session, number: int) -> AuditEntry | None:
    return session.get(AuditEntry, number)


def actions(session: Session) -> list[str]:
    """Every action that occurs in the log, with one index look-up each (a loose index scan)."""
    return _distinct(session, AuditEntry.action)


def actors(session: Session) -> list[str]:
    """Every actor that occurs in the log (a loose index scan too); the first hundred by name."""
    return _distinct(session, AuditEntry.actor)


def _distinct(session: Session, column: InstrumentedAttribute[str], most: int = 100) -> list[str]:
    rows: list[str] = []
    while len(rows) < most:
        beyond = select(column).order_by(column).limit(1)
        one = session.scalar(beyond.where(column > rows[-1]) if rows else beyond)
        if one is None:
            break
        rows.append(one)
    return rows
