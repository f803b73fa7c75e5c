"""What a bounce or a complaint changes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from db.subscribers import suppressions


@dataclass(frozen=True, slots=True)
class Heard:
    """A bounce or a complaint that is proven to be about a letter of ours, or that a provider reports of an address.

    `event` is its raw event; None if the mail server itself refused the letter. `address` is the reader's, or that of
    somebody who was never one; `diagnostic` is masked. `whose` says who is to blame for a bounce, `feedback` is the
    type of a complaint (RFC 5965).
    """

    kind: Literal["hard", "soft", "content", "complaint"]
    event: int | None
    delivery: int | None
    person: str | None
    address: str | None
    code: int | None = None
    status: str | None = None
    diagnostic: str = ""
    whose: str | None = None
    feedback: str | None = None


_REASONS = {"hard": "hard bounce", "complaint": "complaint"}


def apply(session: Session, heard: Heard, now: datetime) -> None:
    """Do what follows from it. Hearing the same again changes nothing."""
    if heard.address and heard.kind in _REASONS:
        suppressions.suppress(session, heard.address, _REASONS[heard.kind], now, heard.diagnostic or None)
