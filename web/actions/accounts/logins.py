"""Logins: password, then the second factor if set up; each attempt is counted before it is checked."""

from dataclasses import dataclass
from datetime import datetime

from db.operators import audit, logins, operators
from db.operators.audit import Actor
from db.operators.logins import Counted
from db.operators.operators import Operator
from db.session import reading, writing
from web.actions.accounts import passwords, second_factor


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """One login attempt, counted for its account and its network."""

    account: Counted
    network: Counted
    ip: str | None
    now: datetime


def begin(address: str, ip: str | None, now: datetime) -> LoginAttempt:
    """Count an attempt. Raises logins.LockedOut while this account or network has to wait."""
    with writing() as session:
        account, network = logins.attempt(session, logins.account(address), logins.network(ip), now)
    return LoginAttempt(account, network, ip, now)


def by_password(address: str, password: str, ip: str | None, now: datetime) -> Operator | None:
    """The operator with this address and password; None both for a wrong password and for an unknown address."""
    made = begin(address, ip, now)
    with reading() as session:
        found = operators.by_address(session, address)
    kept = found.password_hash if found and found.disabled_at is None else None
    if not passwords.fits(kept, password) or found is None or kept is None:
        _failed(made, found)
        return None
    if found.totp_secret:
        _took_back(made)  # earlier failures stay counted, since the code is still to come
    else:
        stronger = passwords.hashed(password) if passwords.is_old(kept) else None
        _signed_in(made, found, "password", stronger)
    return found


def by_code(operator_id: int, epoch: int, code: str, ip: str | None, now: datetime) -> Operator | None:
    """The operator, after a correct second-factor code or recovery code."""
    with reading() as session:
        found = operators.get(session, operator_id)
    if found is None or found.disabled_at or found.epoch != epoch or not found.totp_secret:
        return None
    made = begin(found.address, ip, now)
    how = _second(found, code, now)
    if how is None:
        _failed(made, found)
        return None
    _signed_in(made, found, how)
    return found


def _second(found: Operator, code: str, now: datetime) -> str | None:
    secret = second_factor.unsealed(found.totp_secret or "")
    step = second_factor.step_of(secret, code, now) if secret else None
    with writing() as session:
        if step is not None:
            return "code" if operators.use_step(session, found.id, step) else None
        used = operators.use_recovery(session, found.id, second_factor.recovery_hash(code), now)
        return "recovery code" if used else None


def proves_password(found: Operator, password: str, ip: str | None, now: datetime) -> bool:
    """Check a signed-in operator's password again; counted like a login attempt."""
    made = begin(found.address, ip, now)
    if not passwords.fits(found.password_hash, password):
        _failed(made, found)
        return False
    _took_back(made)
    return True


def left(actor: Actor, now: datetime) -> None:
    """Audit a sign-out."""
    with writing() as session:
        audit.record(session, actor, "logout", now)


def _signed_in(made: LoginAttempt, found: Operator, how: str, stronger: str | None = None) -> None:
    with writing() as session:
        logins.clear(session, made.account.key)
        logins.take_back(session, made.network)
        operator = operators.get(session, found.id) or found
        operator.seen_at = made.now
        if stronger and operator.password_hash == found.password_hash:
            operator.password_hash = stronger
        audit.record(session, Actor(found.address, made.ip), "login", made.now, after={"by": how})


def _took_back(made: LoginAttempt) -> None:
    with writing() as session:
        for counted in sorted((made.account, made.network), key=lambda each: each.key):
            logins.take_back(session, counted)


def _failed(made: LoginAttempt, found: Operator | None) -> None:
    # One entry at the first failure in a row, and one per wait, so that a brute-force attack cannot flood the log.
    # An unknown address is not stored: it may be a mistyped password.
    counted = made.account if found else made.network
    if counted.failures == 1 or counted.shut_until:
        who = Actor(found.address if found else "unknown", made.ip)
        with writing() as session:
            audit.record(session, who, "login.failed", made.now, count=counted.failures)
