"""The letters that these tests look at."""

import pytest

from emails.letters import Letter
from tests.emails.letters.seen import SAMPLES
from tests.emails.people import ALICE


@pytest.fixture(params=sorted(SAMPLES))
def letter(request: pytest.FixtureRequest) -> Letter:
    """Every letter, as Alice gets it."""
    return SAMPLES[request.param].filled(ALICE)
