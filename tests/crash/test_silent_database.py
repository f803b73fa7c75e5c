"""A database that answers nothing any more hangs no health check, and nobody has to start anything when it is back."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import pytest

from tests.conftest import _close_engines, load_catalogue
from tests.crash.deployment import Deployment
from tests.crash.processes import until
from tests.silent import Door, door
from tests.web.test_bulkhead import Answer
from web import bulkhead
from web.front import answers
from web.readers.kept import print_of

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]
KEPT, PAGE = "/compare/quillmate-vs-inkwell", "/tools/quillmate"
"""A page that the web has shown before, and one that it has not."""
CONNECT_SECONDS = 5.0
"""After which a new connection is given up (db/postgresql.py)."""
SOON = 10.0
"""Seconds within which everything comes that does not wait for the database, also on a machine with much else to do."""


@pytest.fixture
def way(postgresql, setting) -> Iterator[Door]:
    load_catalogue()
    _close_engines()
    with door(postgresql) as made:
        setting(DATABASE_URL=made.url)
        yield made


@pytest.fixture
def site(way: Door, house) -> Iterator[Deployment]:
    made = Deployment(house, {"DATABASE_URL": way.url})
    try:
        made.start_web()
        yield made
    finally:
        way.open.set()
        made.close()


def is_kept(answer: Answer) -> bool:
    """Whether a process answered that knows the version of its page; until then it tells a hash of the page."""
    return answer.status == 200 and answer.etag != f'"{print_of(answer.text.encode())}.i"'


def says_so_at_once(port: int) -> bool:
    """Whether readers are told of the silence, and most of them at once; one waits for a sign of life."""
    with ThreadPoolExecutor(4) as few:
        found = list(few.map(lambda _: Answer(port, "GET", PAGE), range(12)))
    told = {(each.status, each.retry_after) for each in found}
    return told == {(503, str(bulkhead.RETRY_AFTER))} and median(each.seconds for each in found) < 1


def test_while_the_database_is_silent_health_checks_answer_and_pages_say_so_and_then_all_goes_on(site, way):
    until(lambda: Answer(site.port, "GET", "/readyz").status == 200, "the start")
    until(lambda: all(is_kept(Answer(site.port, "GET", KEPT)) for _ in range(30)), "the page to be kept")
    way.open.clear()
    pages: list[Answer] = []
    readers = [
        threading.Thread(target=lambda: pages.append(Answer(site.port, "GET", PAGE)), daemon=True) for _ in range(40)
    ]
    for each in readers:
        each.start()
    healthy, ready = [], []

    def told(number: int) -> bool:
        """Ask for health once more; whether so many readers have their answer, and readiness names the silence."""
        healthy.append(Answer(site.port, "GET", "/healthz"))
        ready.append(Answer(site.port, "GET", "/readyz"))
        return len(pages) >= number and "has not answered for" in ready[-1].text

    until(lambda: told(30), "an answer for all readers but those that ask the database", SOON)
    assert {each.status for each in healthy} == {200}
    assert max(each.seconds for each in healthy + ready) < SOON
    assert {each.status for each in ready} == {503}
    # The application names a minute where it knows that the database is silent; before that, the front refuses those
    # for whom no thread is free, and names a few seconds.
    refused = {(each.status, each.retry_after) for each in list(pages)}
    assert refused <= {(503, str(bulkhead.RETRY_AFTER)), (503, str(answers.RETRY_AFTER))}
    first = min(each.seconds for each in list(pages) if each.retry_after == str(bulkhead.RETRY_AFTER))
    assert first < CONNECT_SECONDS - 0.5, "a thread is left that says so, while the others ask in vain"
    until(lambda: says_so_at_once(site.port), "refusals at once", SOON)
    # The kernel gives a quick process most connections, so the other one may never have been asked for the page: then
    # one of its readers asks the silent database, and the others get 503 at once.
    with ThreadPoolExecutor(20) as crowd:
        kept = list(crowd.map(lambda _: Answer(site.port, "GET", KEPT), range(40)))
    shown = [each.seconds for each in kept if each.status == 200]
    assert len(shown) >= 10
    assert max(shown) < SOON
    assert {each.status for each in kept} <= {200, 503}
    way.open.set()
    until(lambda: Answer(site.port, "GET", "/readyz").status == 200, "readiness")
    until(lambda: all(Answer(site.port, "GET", PAGE).status == 200 for _ in range(8)), "pages")
