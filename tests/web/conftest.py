"""What tests of the pages stand on: a browser without a screen, and readers in each state."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from db.session import reading, writing
from db.settings import settings
from db.subscribers import subscribers, subscriptions
from emails import links
from tests import applications, mailed_links


@pytest.fixture
def client(database: str) -> FlaskClient:
    """A browser that has been nowhere yet, in front of an empty catalogue."""
    return applications.application().test_client()


@pytest.fixture
def link() -> Callable[..., str]:
    """A link as it stands in a letter: `link("vote", 7)`, which a digest with all tools brought if none is named."""

    def made(purpose: str, subject: int, delivery: int | None = None) -> str:
        if delivery is None:
            delivery = mailed_links.delivered_to(subject) if purpose == "vote" else 0
        return f"/{purpose}/" + links.sign(settings().keys, purpose, subject, delivery)

    return made


@pytest.fixture
def asked(database: str) -> Callable[[str], int]:
    """`asked(address)`: somebody typed it into the form; the sign-up's id."""

    def ask(address: str) -> int:
        with writing() as session:
            subscriptions.request(
                session, address, words="Yes", words_version="1", locale="en", form_url="/", ip=None, user_agent=None,
                now=datetime.now(UTC),
            )  # fmt: skip
        with reading() as session:
            return subscribers.history(session, subscribers.by_address(session, address).id)[-1].id

    return ask


@pytest.fixture
def active(asked: Callable[[str], int]) -> Callable[[str], int]:
    """`active(address)`: a confirmed subscriber's id."""

    def confirm(address: str) -> int:
        sign_up = asked(address)
        with writing() as session:
            return subscriptions.confirm(session, sign_up, None, datetime.now(UTC)).id

    return confirm


@pytest.fixture
def state() -> Callable[[str], str | None]:
    """`state(address)`: what is remembered of it."""

    def ask(address: str) -> str | None:
        with reading() as session:
            found = subscribers.by_address(session, address)
            return found.state if found else None

    return ask
