"""Notices a reverse proxy that TRUSTED_PROXIES leaves out, so that all visitors seem to have the proxy's address."""

import ipaddress
from datetime import datetime, timedelta

from sqlalchemy import select

from db.operators.audit import AuditEntry
from db.session import Session
from db.settings import Settings
from db.subscribers.subscribers import Consent

LATE = timedelta(days=7)
NEWEST = 200


def hidden_behind(session: Session, config: Settings, now: datetime) -> str | None:
    """The private IP address that all recent requests came from, if an https site runs with TRUSTED_PROXIES=0; else
    None."""
    if config.trusted_proxies or not config.base_url.startswith("https:"):
        return None
    seen: set[str | None] = set()
    for table in (Consent, AuditEntry):
        query = select(table.ip).where(table.at >= now - LATE, table.ip.is_not(None))
        seen.update(session.scalars(query.order_by(table.at.desc()).limit(NEWEST)))
    only = seen.pop() if len(seen) == 1 else None
    return only if only and _is_private(only) else None


def advice(address: str) -> str:
    """A sentence for operators: what goes wrong behind an uncounted proxy, and which setting mends it."""
    return (
        f"TRUSTED_PROXIES is 0, and everybody comes from {address}, which is a proxy's address: all readers "
        "together vote and sign up within one network's limits, strangers' wrong passwords lock all operators out, and "
        "proofs of consent hold that address. Write TRUSTED_PROXIES=1 (or how many proxies stand in front) and start "
        "again"
    )


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False
