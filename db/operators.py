"""Who may use the console: accounts, their roles, and what proves that it is them."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.addresses import key_of
from db.session import NEVER_REUSED, BigId, Key, Row

ROLES = ("viewer", "editor", "operator", "admin")
"""From the one who may least to the one who may everything."""


class Operator(Row):
    """A person with a login and a role. `epoch` is counted up to end every session that they have open."""

    __tablename__ = "operators"
    __table_args__ = (CheckConstraint("role in ('" + "', '".join(ROLES) + "')", name="role"), NEVER_REUSED)

    id: Mapped[Key]
    address: Mapped[str]
    address_key: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    alerts: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    invited_at: Mapped[datetime | None]
    invitation: Mapped[str | None]
    password_hash: Mapped[str | None] = mapped_column(Text)
    totp_secret: Mapped[str | None] = mapped_column(Text)
    totp_step: Mapped[int | None] = mapped_column(BigId)
    epoch: Mapped[int] = mapped_column(default=1)
    seen_at: Mapped[datetime | None]


class RecoveryCode(Row):
    """One of the codes that let an operator in once without their second factor."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index("ix_recovery_codes_operator_id", "operator_id"), NEVER_REUSED)

    id: Mapped[Key]
    operator_id: Mapped[int] = mapped_column(BigId, ForeignKey("operators.id"))
    code_hash: Mapped[str]
    used_at: Mapped[datetime | None]


class LoginFailure(Row):
    """Failed logins in a row for one account or from one network (`key`), and until when no further one is heard."""

    __tablename__ = "login_failures"

    key: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]
    shut_until: Mapped[datetime | None]


# ---- questions ---------------------------------------------------------------------------------------------


def get(session: Session, operator_id: int) -> Operator | None:
    return session.get(Operator, operator_id)


def by_address(session: Session, address: str) -> Operator | None:
    """The account of this address, however its letters' case is written."""
    return session.scalars(select(Operator).where(Operator.address_key == key_of(address.strip()[:320]))).first()


def any_at_all(session: Session) -> bool:
    """Whether there is an account yet."""
    return session.scalar(select(Operator.id).limit(1)) is not None
