"""Operators for the tests: accounts with one password, hashed quickly, and a browser without a screen for them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from db.operators.operators import Operator
from db.session import writing
from web.actions.accounts import passwords, second_factor

PASSWORD = "a lantern over the harbour"
_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_KEPT = _QUICK.hash(PASSWORD)
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def hash_quickly(patch: pytest.MonkeyPatch) -> None:
    """Make password hashing cheap: the tests are about who is let in, not about the cost of a guess."""
    patch.setattr(passwords, "_hasher", _QUICK)
    patch.setattr(passwords, "_nobodys", lambda: _KEPT)


def put(address: str, role: str, secret: str | None = None) -> int:
    """Add an operator with PASSWORD, and with a second factor if `secret` is given. Returns their id."""
    with writing() as session:
        one = Operator(
            address=address, address_key=address, role=role, created_at=datetime.now(UTC), password_hash=_KEPT,
            totp_secret=secret and second_factor.sealed(secret),
        )  # fmt: skip
        session.add(one)
        session.flush()
        return one.id


class Console(FlaskClient):
    """A browser that presses the buttons of the pages it is shown."""

    operator: int = 0

    def token(self) -> str:
        """The token that the forms of this session carry."""
        # Without a session the redirect leads to the sign-in form, which has a token too.
        found = _TOKEN.search(self.get("/operator/account", follow_redirects=True).text)
        return found[1] if found else ""

    def press(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        """Send a form with its token."""
        return self.post(path, data={"csrf_token": self.token(), **(data or {})}, **more)

    def sign_in(self, address: str, password: str = PASSWORD, **more: Any) -> TestResponse:
        return self.press("/operator/login", {"address": address, "password": password, **more})

    def agree(self, asked: TestResponse, **more: Any) -> TestResponse:
        """Press the button of a page that asks first, with what its form carries; `more` are fields filled in."""
        form = asked.text[asked.text.index('<form class="asking"') :]
        return self.post(unescape(re.search(r'action="([^"]*)"', form)[1]), data={**fields(form), **more})


def fields(form: str) -> Mapping[str, list[str]]:
    """The fields of a form's markup that carry a value."""
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]+>", form):
        name, value = (re.search(rf' {part}="([^"]*)"', tag) for part in ("name", "value"))
        if name and value:
            found.setdefault(name[1], []).append(unescape(value[1]))
    return found
