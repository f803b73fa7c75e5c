"""What tests of the console stand on: operators of each role, signed in at a browser without a screen."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from db.deliveries.deliveries import Delivery
from db.digests import digests, schedule
from db.session import writing
from tests import applications, operators
from tests.conftest import load_catalogue
from tests.operators import Console
from web.operator import overview, people, suppressions
from web.operator.frame import health
from web.operator.frame.cached import Cached
from worker.digests import by_hand
from worker.digests import weekly_run as run


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    operators.hash_quickly(monkeypatch)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test asks its own database, and waits for numbers that a page would leave out."""
    monkeypatch.setattr(Cached, "patience", 30.0)
    for each in (*overview.COUNTED, health._redis, people._counts, suppressions._counts):
        each.forget()


@pytest.fixture
def app(database: str) -> Flask:
    made = applications.application()
    made.test_client_class = Console
    return made


@pytest.fixture
def stranger(app: Flask) -> Console:
    """A browser in which nobody has signed in."""
    return app.test_client()  # type: ignore[return-value]


@pytest.fixture
def account(database: str) -> Callable[..., int]:
    """`account("dana@newsroom.example", "admin")`: an operator with PASSWORD; their id."""
    return operators.put


@pytest.fixture
def console(app: Flask, account: Callable[..., int]) -> Callable[..., Console]:
    """`console("operator")`: a browser in which an operator of that role has signed in, `operator@newsroom.example`."""

    def signed_in(role: str = "operator") -> Console:
        browser: Console = app.test_client()  # type: ignore[assignment]
        browser.operator = account(f"{role}@newsroom.example", role)
        assert browser.sign_in(f"{role}@newsroom.example").status_code == 303
        return browser

    return signed_in


# ---- this week's digest ---------------------------------------------------------------------------------------


@pytest.fixture
def readers(database, active, cast) -> int:
    """Three people who read; how many."""
    for address in (cast.alice, cast.bob, cast.charlie):
        active(address)
    return 3


@pytest.fixture
def slot(readers) -> str:
    """This week's slot, with a draft that says something."""
    now = datetime.now(UTC)
    load_catalogue(published=now - timedelta(days=1))
    found = schedule.of_digests().slot_of(now)
    with writing() as session:
        by_hand.assemble(session, found, now)
        # Its hour is still to come, whenever this test runs.
        digests.get(session, found).due_at = now + timedelta(hours=3)
    return found


@pytest.fixture
def sending(slot: str) -> str:
    """The same, on its way: one letter failed, one is in doubt, one waits."""
    with writing() as session:
        by_hand.send(session, slot, datetime.now(UTC))
    run.address_frozen()
    now = datetime.now(UTC)
    with writing() as session:
        first, second, _ = session.query(Delivery).order_by(Delivery.id).filter(Delivery.letter == "digest")
        first.state, first.code, first.reason, first.settled_at = "failed", 550, "refused at rcpt", now
        first.reply = "550 5.1.1 <alice@reader.example> unknown"
        second.state, second.reason, second.settled_at = "unknown", "no reply after dot", now
    return slot
