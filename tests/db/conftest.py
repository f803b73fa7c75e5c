"""What tests of the ledgers share."""

import pytest

from tests.claiming import make_digest


@pytest.fixture
def digest(database) -> int:
    """A digest on its way to thirty readers; its number."""
    return make_digest(30)
