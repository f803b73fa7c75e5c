"""Actions on comparisons that stand in no digest yet, each carried out and audited in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from db.digests import archive as archived
from db.operators import audit
from db.operators.audit import Actor
from db.session import Session, writing
from worker.digests import drafts


def archive(actor: Actor, slugs: Sequence[str], now: datetime, *, note: str | None = None) -> list[str]:
    """Publish these without a digest; returns those that changed. Raises Refused when one does not exist."""
    with writing() as session:
        changed = archived.archive(session, slugs, now)
        _keep(session, actor, "archive", changed, now, note)
        return changed


def archive_passed_over(actor: Actor, now: datetime, *, note: str | None = None) -> list[str]:
    """Publish without a digest whatever earlier releases passed over."""
    with writing() as session:
        slugs = [each.slug for each in archived.passed_over(session, now)]
        changed = archived.archive(session, slugs, now)
        _keep(session, actor, "archive", changed, now, note)
        return changed


def unarchive(actor: Actor, slugs: Sequence[str], now: datetime, *, note: str | None = None) -> list[str]:
    """Let the next digest take these after all; returns those that changed. Raises Refused when one does not exist."""
    with writing() as session:
        changed = archived.unarchive(session, slugs)
        _keep(session, actor, "unarchive", changed, now, note)
        return changed


def _keep(session: Session, actor: Actor, action: str, slugs: list[str], now: datetime, note: str | None) -> None:
    if slugs:
        audit.record(session, actor, f"comparisons.{action}", now, count=len(slugs), after={"slugs": slugs}, note=note)
        drafts.refresh_drafts(session, now)
