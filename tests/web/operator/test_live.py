"""Parts of pages that refresh themselves: nothing is sent while no number moves, and what moved is sent at once."""

import re

from sqlalchemy import text

from db.session import writing
from tests import crowded, opened


def test_a_part_is_sent_when_its_numbers_move_and_not_before(console, database):
    now = crowded.fill(
        crowded.Size(readers=300, dead=6, succeeded=6, votes=6, orders=6, operators=2, finished=50, singles=2)
    )
    order("UPDATE digests SET state = 'paused' WHERE state = 'sending'")  # a rate moves by itself
    browser = console("admin")
    pages = ["/operator", "/operator/queues", f"/operator/digests/{now}"]
    parts = {part for page in pages for part in re.findall(r'data-live="([^"]+)"', browser.get(page).text)}
    assert parts >= {"/operator/overview/now", f"/operator/digests/{now}/progress"}
    tags = {}
    for part in sorted(parts):
        first = browser.get(part)
        again = browser.get(part, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b""), part
        tags[part] = first.headers["ETag"]
    order("UPDATE deliveries SET state = 'failed', code = 550 WHERE state = 'pending'")
    opened.forget(browser.application)
    for part, tag in tags.items():
        changed = browser.get(part, headers={"If-None-Match": tag})
        assert changed.status_code == 200, part
        assert "<html" not in changed.text, part


def order(sql: str) -> None:
    with writing() as session:
        session.execute(text(sql))
