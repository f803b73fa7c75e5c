"""What tests of the console stand on: operators of each role, signed in at a browser without a screen."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from db.operators import Operator
from db.session import writing
from web import passwords
from web.app import create_app
from web.operator import health, overview, people, suppressions
from web.operator.costly import Costly

PASSWORD = "a lantern over the harbour"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_KEPT = _QUICK.hash(PASSWORD)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing that takes no 64 MiB: what is tested here is who is let in, not how long a guess takes."""
    monkeypatch.setattr(passwords, "_hasher", _QUICK)
    monkeypatch.setattr(passwords, "_nobodys", lambda: _KEPT)


class Console(FlaskClient):
    """A browser that presses the buttons of the pages it is shown."""

    operator: int = 0

    def token(self) -> str:
        """The token that the forms of this session carry."""
        found = _TOKEN.search(self.get("/operator/login", follow_redirects=True).text)
        return found[1] if found else ""

    def press(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        """Send a form with its token."""
        return self.post(path, data={"csrf_token": self.token(), **(data or {})}, **more)

    def sign_in(self, address: str, password: str = PASSWORD, **more: Any) -> TestResponse:
        return self.press("/operator/login", {"address": address, "password": password, **more})


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test asks its own database, and waits for numbers that a page would leave out."""
    monkeypatch.setattr(Costly, "patience", 30.0)
    for each in (*overview.COSTLY, health._redis, people._counts, suppressions._counts):
        each.forget()


@pytest.fixture
def app(database: str) -> Flask:
    made = create_app()
    made.test_client_class = Console
    return made


@pytest.fixture
def stranger(app: Flask) -> Console:
    """A browser in which nobody has signed in."""
    return app.test_client()  # type: ignore[return-value]


@pytest.fixture
def account(database: str) -> Callable[..., int]:
    """`account("dana@newsroom.example", "admin")`: an operator with PASSWORD; their id."""

    def made(address: str, role: str) -> int:
        with writing() as session:
            one = Operator(
                address=address, address_key=address, role=role, created_at=datetime.now(UTC), password_hash=_KEPT
            )
            session.add(one)
            session.flush()
            return one.id

    return made


@pytest.fixture
def console(app: Flask, account: Callable[..., int]) -> Callable[..., Console]:
    """`console("operator")`: a browser in which an operator of that role has signed in, `operator@newsroom.example`."""

    def signed_in(role: str = "operator") -> Console:
        browser: Console = app.test_client()  # type: ignore[assignment]
        browser.operator = account(f"{role}@newsroom.example", role)
        assert browser.sign_in(f"{role}@newsroom.example").status_code == 303
        return browser

    return signed_in
