"""A digest that is being sent to thirty readers, and the calls by which a sender claims and settles its letters."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from db.deliveries import accounts, addressing, exceptions
from db.deliveries.claiming import claims, recovery, settlements
from db.deliveries.claiming.claims import Batch, Terms, Wait
from db.deliveries.claiming.settlements import Settlement
from db.deliveries.exceptions import DeliveryFilter
from db.digests import digests
from db.driver import driver_connection
from db.session import reading, writing
from db.subscribers import audiences

NOW = datetime(2026, 11, 17, 9, tzinfo=UTC)
LEASE = timedelta(seconds=30)
LATER = NOW + LEASE + timedelta(seconds=1)
WIN = 4


def listed(session, state: str):
    return exceptions.listed(session, digests.get(session, "2026-W47"), DeliveryFilter((state,)))


def make_digest(readers: int) -> int:
    with writing() as session:
        for number in range(readers):
            session.execute(
                text(
                    "INSERT INTO subscribers (address, address_key, state, created_at, confirmed_at, joined)"
                    " VALUES (:address, :address, 'active', :now, :now, 0)"
                ),
                {"address": f"reader-{number}@reader.example", "now": "2026-11-01 09:00:00"},
            )
        taken = audiences.count_audience(session, NOW)
        made = digests.open_slot(session, "2026-W47", NOW, NOW)
        digests.freeze(
            session, made, [], content={}, subject="s", preheader="p", html="h", text="t",
            frozen_at=NOW, cutoff=NOW, freeze=taken.number, audience=taken.audience,
        )  # fmt: skip
        while addressing.address(session, made, NOW):
            pass
        digests.begin(session, made)
    return made.id


def ask(digest_id: int | None, at: datetime = NOW, **terms) -> Batch | Wait | None:
    """Claim, and begin what was claimed."""
    batch = ask_alone(digest_id, at, **terms)
    if isinstance(batch, Batch):
        begin(batch, at)
    return batch


def begin(batch: Batch, at: datetime = NOW) -> None:
    with driver_connection() as connection:
        settlements.begin(connection, batch, LEASE, at)


def ask_alone(digest_id: int | None, at: datetime = NOW, **terms) -> Batch | Wait | None:
    """Claim as a sender does that never hears the answer."""
    given = {"worker": "sender-1", "limit": 200, "win": WIN, "lease": LEASE, "connections": 9} | terms
    with writing() as session:
        return claims.claim(session, Terms(**given), digest_id, at)


def claim(digest_id: int | None, limit: int = 200, at: datetime = NOW, win: int = WIN) -> Batch | None:
    batch = ask(digest_id, at, limit=limit, win=win)
    assert not isinstance(batch, Wait)
    return batch


def settle(batch: Batch, letters, state: str = "sent", at: datetime = NOW) -> None:
    with driver_connection() as connection:
        done = [Settlement(letter.id, state, code=250, reply="250 2.0.0 taken") for letter in letters]
        settlements.settle(connection, batch, done, (), LEASE, at)


def recover(at: datetime = LATER, resend: bool = False) -> int:
    with writing() as session:
        return recovery.recover(session, resend, at)


def account() -> accounts.Account:
    with reading(snapshot=True) as session:
        return accounts.account(session, digests.get(session, "2026-W47"))


def states() -> dict[str, int]:
    assert account().holds
    return {state: number for state, number in account().states.items() if number}
