"""Fourteen days later, with the real clock and the real worker: who did not confirm is gone, everybody else stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from db.deliveries import accounts
from db.digests import digests
from db.engine import engine
from db.session import reading, writing
from db.subscribers import subscribers
from tests import applications, claiming
from tests.crash.deployment import Deployment
from tests.crash.processes import until

pytestmark = [pytest.mark.long, pytest.mark.waits]

MOVED = {"subscribers": "created_at", "consents": "at"}


@pytest.fixture
def deployment(sqlite: str, setting, tmp_path: Path) -> Iterator[Deployment]:
    key = "a key for the journey"
    setting(SECRET_KEY=key)
    made = Deployment(tmp_path, {"DATABASE_URL": sqlite, "SECRET_KEY": key})
    made.start("worker")
    made.start_hasty_clock()
    yield made
    made.close()


def state(address: str) -> str | None:
    with reading() as session:
        found = subscribers.by_address(session, address)
        return found.state if found else None


def confirm_letters() -> int:
    with reading() as session:
        return session.scalar(text("SELECT count(*) FROM deliveries WHERE letter = 'confirm'")) or 0


def back(address: str, length: str) -> None:
    """Move a person's rows back in time."""
    with writing() as session:
        whose = "IN (SELECT id FROM subscribers WHERE address = :address)"
        for table, column in (("consents", "subscriber_id"), ("subscribers", "id")):
            moved = f"strftime('%Y-%m-%d %H:%M:%f', {MOVED[table]}, '{length}')"
            session.execute(
                text(f"UPDATE {table} SET {MOVED[table]} = {moved} WHERE {column} {whose}"), {"address": address}
            )


def test_the_clock_rings_and_alice_is_forgotten(deployment: Deployment, cast, tmp_path: Path):
    alice = {"alice": cast.alice}
    client = applications.application().test_client()
    for address in (cast.alice, cast.bob, cast.charlie):
        client.post("/subscribe", data={"email": address}, headers={"User-Agent": f"Browser of {address}"})
    until(lambda: confirm_letters() == 3, "the confirm letters")
    with writing() as session:
        session.execute(
            text("UPDATE deliveries SET reply = '550 who is ' || :alice WHERE person = 'subscriber:1'"), alice
        )
        session.execute(text("UPDATE subscribers SET state = 'active' WHERE address = :bob"), {"bob": cast.bob})
    back(cast.alice, "-14 days")
    back(cast.bob, "-14 days")
    back(cast.charlie, "-13 days")
    until(lambda: state(cast.alice) is None, "Alice's going")
    assert (state(cast.bob), state(cast.charlie)) == ("active", "pending")
    with reading() as session:
        for name in inspect(engine()).get_table_names():
            assert cast.alice not in str(session.execute(text(f"SELECT * FROM {name}")).all()), name
    until(lambda: "sign_ups=1" in (tmp_path / "worker.log").read_text(), "the line in the log")


def number(query: str) -> int:
    with reading() as session:
        return session.scalar(text(query)) or 0


def test_the_clock_rings_and_what_is_over_goes(deployment: Deployment, cast, tmp_path: Path):
    """A digest of long ago gives its deliveries up and keeps its account, and jobs of last week are gone."""
    claiming.make_digest(3)
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'sent', settled_at = created_at"))
    until(lambda: number("SELECT count(*) FROM digests WHERE outcomes IS NOT NULL"), "the digest's end")
    applications.application().test_client().post("/subscribe", data={"email": cast.alice})
    until(lambda: confirm_letters() == 1, "the confirm letter")
    until(lambda: number("SELECT count(*) FROM jobs WHERE state <> 'succeeded'") == 0, "the jobs")
    jobs = number("SELECT count(*) FROM jobs")
    with writing() as session:
        session.execute(text("UPDATE jobs SET finished_at = strftime('%Y-%m-%d %H:%M:%f', finished_at, '-6 days')"))
        session.execute(
            text("UPDATE digests SET finished_at = strftime('%Y-%m-%d %H:%M:%f', finished_at, '-14 months')")
        )
    until(lambda: number("SELECT count(*) FROM deliveries WHERE letter = 'digest'") == 0, "the old deliveries")
    assert number("SELECT count(*) FROM jobs") == jobs
    assert confirm_letters() == 1
    with reading(snapshot=True) as session:
        account = accounts.account(session, digests.get(session, "2026-W47"))
    assert account.holds
    assert (account.removed, account.states["sent"]) == (3, 3)
    with writing() as session:
        session.execute(text("UPDATE jobs SET finished_at = strftime('%Y-%m-%d %H:%M:%f', finished_at, '-1 days')"))
    until(lambda: number("SELECT count(*) FROM jobs") == 0, "the old jobs")
    assert number("SELECT count(*) FROM attempts") == 0
    assert number("SELECT sum(removed) FROM removals WHERE kind = 'deliveries'") == 3
