"""Crash tests stand on a scene: a database of either kind, a recording mail server, and children to kill."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.processes import Nursery
from tests.crash.scene import SETTINGS, Scene


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Where all children of the session come from."""
    made = Nursery(tmp_path_factory.mktemp("nursery"))
    yield made
    made.close()


@pytest.fixture
def scene(database: str, setting, tmp_path: Path, nursery: Nursery) -> Iterator[Scene]:
    """An empty newsletter, watched all the while; it ends with an account that held at every look."""
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
