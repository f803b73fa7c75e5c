"""What tests of the console stand on: operators of each role, signed in at a browser without a screen."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests import applications, operators
from tests.operators import Console
from web.operator import health, overview, people, suppressions
from web.operator.costly import Costly


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    operators.hash_quickly(monkeypatch)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test asks its own database, and waits for numbers that a page would leave out."""
    monkeypatch.setattr(Costly, "patience", 30.0)
    for each in (*overview.COSTLY, health._redis, people._counts, suppressions._counts):
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
