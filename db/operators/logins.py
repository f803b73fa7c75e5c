"""Login throttling: failed logins in a row for an account and for a network, and the back-off before the next.

An attempt counts as failed before its password is checked, and is uncounted on success, so that parallel attempts
cannot bypass the limit. Keys are keyed hashes of addresses and networks, so nobody is stored by name.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, case, delete, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import rules
from db.addresses import key_of
from db.networks import network_of
from db.register import KeyedHash
from db.session import Moment, Row
from db.settings import settings

FORGOTTEN = timedelta(hours=2)
"""Failures older than this do not count as in a row."""


class LoginFailure(Row):
    """Failed logins in a row for one account or network (`key`), and until when further ones are refused."""

    __tablename__ = "login_failures"

    key: Mapped[KeyedHash] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]
    shut_until: Mapped[datetime | None]


class LockedOut(Exception):
    """Attempts are refused until then."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"no login is heard until {until}")
        self.until = until


@dataclass(frozen=True, slots=True)
class Counted:
    """One counted attempt: its number in a row of failures, and the wait that it started."""

    key: str
    failures: int
    shut_until: datetime | None


def account(address: str) -> str:
    """The key of an address, whether it has an account or not."""
    return _key("account", key_of(address.strip()[:320]))


def network(ip: str | None) -> str:
    """The key of the network that an address belongs to."""
    return _key("network", network_of(ip))


def _key(kind: str, name: str) -> str:
    return hmac.digest(settings().keys[0], f"login {kind} {name}".encode(), "sha256").hex()


def attempt(session: Session, account: str, network: str, now: datetime) -> tuple[Counted, Counted]:
    """Count one attempt for these account and network keys. Raises LockedOut while one of them has to wait."""
    free = {account: rules.LOGINS_FREE, network: rules.NETWORK_LOGINS_FREE}
    session.execute(delete(LoginFailure).where(LoginFailure.last_at < now - rules.kept("failed logins")))
    rows = [_lock(session, key, now) for key in sorted(free)]
    until = max((row.shut_until for row in rows if row.shut_until and row.shut_until > now), default=None)
    if until:
        raise LockedOut(until)
    for row in rows:
        in_a_row = row.failures if now - row.last_at < FORGOTTEN else 0
        row.failures, row.last_at = in_a_row + 1, now
        wait = rules.login_backoff(row.failures, free[row.key])
        row.shut_until = now + wait if wait else None
    counted = {row.key: Counted(row.key, row.failures, row.shut_until) for row in rows}
    return counted[account], counted[network]


def _lock(session: Session, key: str, now: datetime) -> LoginFailure:
    session.execute(_NEW, {"key": key, "now": now})
    return session.get_one(LoginFailure, key, with_for_update=True, populate_existing=True)


_NEW = text(
    "INSERT INTO login_failures (key, failures, last_at) VALUES (:key, 0, :now) ON CONFLICT (key) DO NOTHING"
).bindparams(bindparam("now", type_=Moment()))


def take_back(session: Session, counted: Counted) -> None:
    """Uncount a successful attempt, and end the wait that it started, but no other wait."""
    session.execute(
        update(LoginFailure)
        .where(LoginFailure.key == counted.key)
        .values(
            failures=case((LoginFailure.failures > 0, LoginFailure.failures - 1), else_=0),
            shut_until=case((LoginFailure.shut_until == counted.shut_until, None), else_=LoginFailure.shut_until),
        )
    )


def clear(session: Session, key: str) -> None:
    """Delete the failures of this key."""
    session.execute(delete(LoginFailure).where(LoginFailure.key == key))
