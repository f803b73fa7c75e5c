"""Operators' accounts, roles and credentials."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CheckConstraint, CursorResult, ForeignKey, Index, Text, delete, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.addresses import key_of
from db.register import OperatorAddress, OperatorToken, Plain
from db.rules import Refused
from db.session import NEVER_REUSED, BigId, Key, Row

ROLES = ("viewer", "editor", "operator", "admin")
"""Roles in ascending order of permissions."""
INVITATION_LIFE = timedelta(hours=72)
"""How long an invitation link, at which a password is set, works."""


class Operator(Row):
    """A person with a login and a role. Incrementing `epoch` ends all their sessions."""

    __tablename__ = "operators"
    __table_args__ = (CheckConstraint("role in ('" + "', '".join(ROLES) + "')", name="role"), NEVER_REUSED)

    id: Mapped[Key]
    address: Mapped[OperatorAddress]
    address_key: Mapped[OperatorAddress] = mapped_column(unique=True)
    role: Mapped[Plain]
    alerts: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    invited_at: Mapped[datetime | None]
    invitation: Mapped[OperatorToken | None]
    password_hash: Mapped[OperatorToken | None] = mapped_column(Text)
    totp_secret: Mapped[OperatorToken | None] = mapped_column(Text)
    totp_step: Mapped[int | None] = mapped_column(BigId)
    epoch: Mapped[int] = mapped_column(default=1)
    seen_at: Mapped[datetime | None]

    @property
    def state(self) -> str:
        """The account's state: disabled, invited (no password yet) or active."""
        return "disabled" if self.disabled_at else "active" if self.password_hash else "invited"


class RecoveryCode(Row):
    """A recovery code, which replaces the second factor once."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index("ix_recovery_codes_operator_id", "operator_id"), NEVER_REUSED)

    id: Mapped[Key]
    operator_id: Mapped[int] = mapped_column(BigId, ForeignKey("operators.id"))
    code_hash: Mapped[OperatorToken]
    used_at: Mapped[datetime | None]


# ---- changes: accounts -------------------------------------------------------------------------------------


def add(session: Session, address: str, role: str, invitation: str, now: datetime) -> Operator:
    """Create an account with an invitation (its hash) and no password. Raises Refused if the address has an account."""
    if by_address(session, address) is not None:
        raise Refused(f"{address} has an account already. Its role can be changed, and its link made anew.")
    made = Operator(
        address=address, address_key=key_of(address), role=role, created_at=now, invitation=invitation, invited_at=now
    )
    session.add(made)
    session.flush()
    return made


def change_role(session: Session, operator_id: int, role: str) -> Operator:
    """Change the role and end all sessions. Raises Refused for the last active admin."""
    found = _held(session, operator_id, keep_an_admin=role != "admin")
    found.role, found.epoch = role, found.epoch + 1
    return found


def disable(session: Session, operator_id: int, now: datetime) -> Operator:
    """Disable an account, and end its sessions and its invitation. Raises Refused for the last active admin."""
    found = _held(session, operator_id, keep_an_admin=True)
    if found.disabled_at:
        raise Refused(f"{found.address} is disabled already.")
    found.disabled_at, found.epoch, found.invitation = now, found.epoch + 1, None
    return found


def enable(session: Session, operator_id: int) -> Operator:
    """Enable a disabled account again, with its earlier password and second factor."""
    found = _held(session, operator_id)
    if not found.disabled_at:
        raise Refused(f"{found.address} is not disabled.")
    found.disabled_at = None
    return found


def end_sessions(session: Session, operator_id: int) -> Operator:
    """End all sessions of the operator."""
    found = _held(session, operator_id)
    found.epoch += 1
    return found


def reset(session: Session, operator_id: int, invitation: str, now: datetime, *, second_factor: bool) -> Operator:
    """Remove the password (and the second factor) and issue a new invitation; all sessions end."""
    found = _held(session, operator_id)
    if found.disabled_at:
        raise Refused(f"{found.address} is disabled; enable the account first.")
    found.password_hash, found.invitation, found.invited_at = None, invitation, now
    found.epoch += 1
    if second_factor:
        remove_second_factor(session, found)
    return found


def _held(session: Session, operator_id: int, *, keep_an_admin: bool = False) -> Operator:
    """The account, locked until the transaction ends. Raises Refused for the last active admin."""
    if keep_an_admin:
        # Locks all admins in one order, so that two who demote each other are serialized without a deadlock.
        active = (Operator.role == "admin", Operator.disabled_at.is_(None), Operator.password_hash.is_not(None))
        admins = session.scalars(select(Operator.id).where(*active).order_by(Operator.id).with_for_update())
        if set(admins) == {operator_id}:
            raise Refused("This is the last active admin. Make somebody else an admin first.")
    found = session.get(Operator, operator_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise Refused(f"There is no account {operator_id}.")
    return found


# ---- changes: credentials ------------------------------------------------------------------------------------


def accept(session: Session, invitation: str, password_hash: str, now: datetime) -> Operator | None:
    """Redeem an invitation and set the password. None if it was used, replaced or has expired, even a moment ago in
    another request: a single UPDATE checks and redeems it."""
    return session.scalars(
        update(Operator)
        .where(Operator.invitation == invitation, Operator.disabled_at.is_(None))
        .where(Operator.invited_at > now - INVITATION_LIFE)
        .values(invitation=None, password_hash=password_hash, epoch=Operator.epoch + 1)
        .returning(Operator),
        execution_options={"populate_existing": True},
    ).first()


def set_password(session: Session, operator: Operator, password_hash: str) -> None:
    """Change the password and end all sessions."""
    session.execute(
        update(Operator)
        .where(Operator.id == operator.id)
        .values(password_hash=password_hash, invitation=None, epoch=Operator.epoch + 1)
    )


def set_second_factor(session: Session, operator_id: int, sealed: str, step: int, codes: Iterable[str]) -> None:
    """Turn the second factor on: the encrypted secret, the time step just used, and the recovery codes' hashes."""
    session.execute(update(Operator).where(Operator.id == operator_id).values(totp_secret=sealed, totp_step=step))
    replace_codes(session, operator_id, codes)


def remove_second_factor(session: Session, operator: Operator) -> None:
    operator.totp_secret = operator.totp_step = None
    replace_codes(session, operator.id, ())


def replace_codes(session: Session, operator_id: int, codes: Iterable[str]) -> None:
    """Replace the recovery codes (by their hashes)."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.operator_id == operator_id))
    session.add_all(RecoveryCode(operator_id=operator_id, code_hash=each) for each in codes)


def use_step(session: Session, operator_id: int, step: int) -> bool:
    """Redeem a second-factor code. False if it or a later one was used before (replay)."""
    unused = or_(Operator.totp_step.is_(None), Operator.totp_step < step)
    return _changed(session, update(Operator).where(Operator.id == operator_id, unused).values(totp_step=step))


def use_recovery(session: Session, operator_id: int, code_hash: str, now: datetime) -> bool:
    """Redeem a recovery code. False if it is wrong or was used before."""
    is_it = (RecoveryCode.operator_id == operator_id, RecoveryCode.code_hash == code_hash)
    return _changed(session, update(RecoveryCode).where(*is_it, RecoveryCode.used_at.is_(None)).values(used_at=now))


def _changed(session: Session, order: Any) -> bool:
    return cast(CursorResult[Any], session.execute(order)).rowcount == 1


# ---- queries -----------------------------------------------------------------------------------------------


def get(session: Session, operator_id: int) -> Operator | None:
    return session.get(Operator, operator_id)


def by_address(session: Session, address: str) -> Operator | None:
    """The account with this address, ignoring case."""
    return session.scalars(select(Operator).where(Operator.address_key == key_of(address.strip()[:320]))).first()


def signs_in_with(session: Session, address: str) -> bool:
    """Whether an operator who has set a password signs in with this address: an invitation alone proves nothing."""
    found = by_address(session, address)
    return found is not None and found.state == "active"


def by_invitation(session: Session, invitation: str, now: datetime) -> Operator | None:
    """The account that this invitation (its hash) is for, while it can be used."""
    found = session.scalars(select(Operator).where(Operator.invitation == invitation)).first()
    if found is None or found.disabled_at or not found.invited_at or now - found.invited_at >= INVITATION_LIFE:
        return None
    return found


def listed(session: Session) -> list[Operator]:
    """Every account, by address."""
    return list(session.scalars(select(Operator).order_by(Operator.address_key)))


def codes_left(session: Session, operator_id: int) -> int:
    """The number of unused recovery codes."""
    unused = RecoveryCode.operator_id == operator_id, RecoveryCode.used_at.is_(None)
    return session.scalar(select(func.count()).select_from(RecoveryCode).where(*unused)) or 0


def any_at_all(session: Session) -> bool:
    """Whether any account exists."""
    return session.scalar(select(Operator.id).limit(1)) is not None
