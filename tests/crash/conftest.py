"""Fixtures for crash tests: a database of either kind, a mail server that records letters, and processes to kill."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.processes import Nursery
from tests.crash.scene import SETTINGS, Scene


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """The process that forks all child processes of the session."""
    made = Nursery(tmp_path_factory.mktemp("nursery"))
    yield made
    made.close()


@pytest.fixture
def scene(database: str, setting, tmp_path: Path, nursery: Nursery) -> Iterator[Scene]:
    """A newsletter without readers, whose account is checked continuously. The fixture fails if a check did."""
    setting(**SETTINGS)
    made = Scene(tmp_path, database, nursery)
    setting(MAIL_URL=made.mail.url)
    yield made
    made.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.crash)
            item.add_marker(pytest.mark.timeout(90))
