"""Over the real server and both of its processes, a kept page ends soon after whatever changes it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from db.digests import catalog
from db.session import writing
from db.votes import tallies, votes
from tests.conftest import _close_engines, load_catalogue
from tests.crash.deployment import Deployment
from tests.crash.processes import until
from tests.crash.test_silent_database import is_kept
from tests.schemas import belongs_to
from tests.web.test_bulkhead import Answer

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]
PAGE = "/compare/quillmate-vs-inkwell"


@pytest.fixture
def site(database: str, house) -> Iterator[Deployment]:
    load_catalogue()
    _close_engines()
    made = Deployment(house, {"DATABASE_URL": database})
    try:
        made.start_web()
        yield made
    finally:
        made.close()


def shows(site: Deployment, path: str, words: str) -> bool:
    """Whether every process shows these words there."""
    return all(words in Answer(site.port, "GET", path).text for _ in range(20))


def test_folds_content_the_clock_and_a_later_release_each_end_what_was_kept(site):
    until(lambda: all(is_kept(Answer(site.port, "GET", PAGE)) for _ in range(20)), "both processes to keep the page")
    assert len({Answer(site.port, "GET", PAGE).etag for _ in range(20)}) == 1, "one version is one ETag in both"
    now = datetime.now(UTC)
    with writing() as session:
        tool_id = catalog.tool_id(session, "quillmate")
        votes.cast(session, votes.new_voter(), tool_id, "ship", now)
        tallies.fold(session, now)
    until(lambda: shows(site, PAGE, "100% of 1 vote says ship"), "the folded vote")
    with writing() as session:
        catalog.put_reviewer(session, "The Builder", "Another lens")
        at = now + timedelta(seconds=4)
        catalog.put_comparison(session, "later", ("quillmate", "patchbay"), "Which?", at, now)
    until(lambda: shows(site, PAGE, "Another lens"), "the new content")
    until(lambda: shows(site, "/", "/compare/later"), "the comparison that is due")
    belongs_to("9.0.0", oldest="9.0.0")
    until(lambda: all(Answer(site.port, "GET", PAGE).status == 503 for _ in range(20)), "the end of the page")
    assert re.search("brought up to date", Answer(site.port, "GET", PAGE).text)
