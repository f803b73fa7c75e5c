"""Actions on operators' accounts: invite, change, disable, and each operator's own password and second factor."""

import secrets
from datetime import datetime
from hashlib import sha256
from typing import Any

from db import addresses
from db.operators import audit, logins, operators
from db.operators.audit import Actor
from db.operators.operators import ROLES, Operator
from db.rules import Refused
from db.session import Session, reading, writing
from db.settings import settings
from web.actions.accounts import passwords, second_factor

LAPSED = (
    "This link does not work any more: it was used, replaced, or is older than 72 hours. Ask an admin for a new one."
)


def link(token: str) -> str:
    """The link of an invitation; the token itself is not stored."""
    return f"{settings().base_url}/operator/invitation/{token}"


def find(address: str) -> Operator:
    """The account with this address. Raises Refused when there is none."""
    with reading() as session:
        found = operators.by_address(session, address)
    if found is None:
        raise Refused(f"{address} has no account; `verdicts operator list` names those that have one.")
    return found


# ---- accounts: an admin's actions ----------------------------------------------------------------------------


def add(actor: Actor, address: str, role: str, now: datetime, note: str | None = None) -> str:
    """Create an account. Returns the invitation link, at which its password is set."""
    _check(role)
    token = secrets.token_urlsafe(32)
    with writing() as session:
        made = operators.add(session, addresses.normal(address), role, hash_of(token), now)
        _keep(session, actor, "account.add", made, now, None, {"role": role}, note)
    return link(token)


def change_role(actor: Actor, operator_id: int, role: str, now: datetime, note: str | None = None) -> None:
    """Change an account's role and end its sessions."""
    _check(role)
    with writing() as session:
        before = _role(session, operator_id)
        if before == role:
            raise Refused(f"The role is {role} already.")
        found = operators.change_role(session, operator_id, role)
        _keep(session, actor, "account.role", found, now, {"role": before}, {"role": role}, note)


def disable(actor: Actor, operator_id: int, now: datetime, note: str | None = None) -> None:
    """Disable an account and end its sessions."""
    with writing() as session:
        found = operators.disable(session, operator_id, now)
        _keep(session, actor, "account.disable", found, now, None, {"state": "disabled"}, note)


def enable(actor: Actor, operator_id: int, now: datetime, note: str | None = None) -> None:
    """Enable a disabled account again."""
    with writing() as session:
        found = operators.enable(session, operator_id)
        _keep(session, actor, "account.enable", found, now, {"state": "disabled"}, {"state": found.state}, note)


def end_sessions(actor: Actor, operator_id: int, now: datetime, note: str | None = None) -> None:
    """End all sessions of an account."""
    with writing() as session:
        found = operators.end_sessions(session, operator_id)
        _keep(session, actor, "account.sessions", found, now, None, None, note)


def reset(
    actor: Actor, operator_id: int, now: datetime, note: str | None = None, *, also_second_factor: bool = False
) -> str:
    """Remove the password and reset the login back-off. Returns the link at which a new password is set."""
    token = secrets.token_urlsafe(32)
    with writing() as session:
        found = operators.reset(session, operator_id, hash_of(token), now, second_factor=also_second_factor)
        logins.clear(session, logins.account(found.address))
        told = {"second factor": "removed"} if also_second_factor else None
        _keep(session, actor, "account.reset", found, now, None, told, note)
    return link(token)


def _check(role: str) -> None:
    if role not in ROLES:
        raise Refused(f"There is no role {role[:40]!r}; there are {', '.join(ROLES)}.")


def _role(session: Session, operator_id: int) -> str | None:
    found = operators.get(session, operator_id)
    return found.role if found else None


# ---- one's own ------------------------------------------------------------------------------------------------


def accept(token: str, password: str, ip: str | None, now: datetime) -> Operator:
    """Redeem an invitation and set the password. Raises Refused for an expired link or a weak password."""
    with reading() as session:
        invited = operators.by_invitation(session, hash_of(token), now)
    if invited is None:
        raise Refused(LAPSED)
    passwords.check(password, invited.address, settings().site_name)
    kept = passwords.hashed(password)
    with writing() as session:
        found = operators.accept(session, hash_of(token), kept, now)
        if found is None:
            raise Refused(LAPSED)
        _keep(session, Actor(found.address, ip), "account.password", found, now, None, {"by": "invitation"}, None)
    return found


def change_password(actor: Actor, operator_id: int, password: str, now: datetime) -> Operator:
    """Change one's own password after the old one was verified; all sessions end."""
    with reading() as session:
        found = operators.get(session, operator_id)
    if found is None:
        raise Refused("This account is gone.")
    passwords.check(password, found.address, settings().site_name)
    kept = passwords.hashed(password)
    with writing() as session:
        operators.set_password(session, found, kept)
        _keep(session, actor, "account.password", found, now, None, None, None)
    with reading() as session:
        return operators.get(session, operator_id) or found


def set_up_second_factor(actor: Actor, operator_id: int, secret: str, code: str, now: datetime) -> list[str]:
    """Turn on the second factor after a correct code. Returns the recovery codes, to be shown once."""
    step = second_factor.step_of(secret, code, now)
    if step is None:
        raise Refused("That is not the code that the app shows now. Check that the telephone's clock is right.")
    codes = second_factor.new_recovery_codes()
    with writing() as session:
        found = _own(session, operator_id)
        if found.totp_secret:
            raise Refused("A second factor is set up already; remove it first.")
        hashes = [second_factor.recovery_hash(each) for each in codes]
        operators.set_second_factor(session, operator_id, second_factor.sealed(secret), step, hashes)
        _keep(session, actor, "account.second_factor", found, now, {"state": "none"}, {"state": "set up"}, None)
    return codes


def renew_recovery_codes(actor: Actor, operator_id: int, now: datetime) -> list[str]:
    """Replace the recovery codes. Returns the new ones, to be shown once."""
    codes = second_factor.new_recovery_codes()
    with writing() as session:
        found = _own(session, operator_id)
        if not found.totp_secret:
            raise Refused("Recovery codes stand beside a second factor; set that up first.")
        operators.replace_codes(session, operator_id, [second_factor.recovery_hash(each) for each in codes])
        _keep(session, actor, "account.recovery_codes", found, now, None, None, None)
    return codes


def remove_second_factor(actor: Actor, operator_id: int, now: datetime) -> None:
    """Turn off the second factor."""
    with writing() as session:
        found = _own(session, operator_id)
        operators.remove_second_factor(session, found)
        _keep(session, actor, "account.second_factor", found, now, {"state": "set up"}, {"state": "none"}, None)


def set_alerts(actor: Actor, operator_id: int, wanted: bool, now: datetime) -> None:
    """Set whether this operator gets alerts by email."""
    with writing() as session:
        found = _own(session, operator_id)
        before, found.alerts = found.alerts, wanted
        _keep(session, actor, "account.alerts", found, now, {"alerts": before}, {"alerts": wanted}, None)


def _own(session: Session, operator_id: int) -> Operator:
    found = session.get(Operator, operator_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise Refused("This account is gone.")
    return found


def hash_of(token: str) -> str:
    """The hash that is stored of an invitation's token."""
    return sha256(b"invitation " + token.encode("utf-8", "replace")).hexdigest()


def _keep(
    session: Session, actor: Actor, action: str, found: Operator, now: datetime, before: dict[str, Any] | None,
    after: dict[str, Any] | None, note: str | None,
) -> None:  # fmt: skip
    about = f"operator {found.address}"
    audit.record(session, actor, action, now, about=about, ids=[found.id], before=before, after=after, note=note)
