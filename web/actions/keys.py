"""Forgetting a lost signing key."""

from dataclasses import asdict
from datetime import datetime

from db import signing_keys
from db.monitoring import lost_keys
from db.monitoring.lost_keys import Losses
from db.operators import audit
from db.operators.audit import Actor
from db.session import reading, writing
from db.settings import settings


def losses() -> Losses:
    """What would die with the site's keys that are missing here. Raises Refused if none is missing."""
    with reading() as session:
        lost_keys.lost(session, signing_keys.prints(settings()))
        return lost_keys.losses(session)


def forget(actor: Actor, now: datetime, note: str | None = None) -> Losses:
    """Forget those keys: this process's first key is the site's newest from now on. Returns what that cost."""
    own = signing_keys.prints(settings())
    with writing() as session:
        gone = {each.key_print for each in lost_keys.lost(session, own)}
        found = lost_keys.forget(session, own, now)
        audit.record(session, actor, "key.forget", now, about=f"key {own[0]}", count=len(gone),
                     before={"keys": sorted(gone)}, after=asdict(found), note=note)  # fmt: skip
    signing_keys.forget_checks()
    return found
