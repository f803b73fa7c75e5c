"""Whatever changes what readers' pages are made of changes the version of kept pages, in the same transaction."""

from datetime import timedelta

import pytest
from sqlalchemy import inspect, text

from db import page_version
from db.digests import archive, catalog, digests
from db.engine import engine
from db.session import reading, writing
from db.votes import tallies, votes
from tests.conftest import START


def version(now=START) -> page_version.Standing:
    with reading() as session:
        return page_version.standing(session, now)


@pytest.fixture
def changed(catalogue):
    """`changed(work)`: whether the version is another one after that work in one transaction."""

    def run(work) -> bool:
        before = version()
        with writing() as session:
            work(session)
        return version() != before

    return run


def cast(session, catalogue, choice):
    votes.cast(session, "anonymous:alice", catalogue.quillmate, choice, START)


def test_content_changes_it_and_what_stays_as_it_is_does_not(changed, catalogue):
    fields = dict.fromkeys(("category", "tagline", "entry", "url", "summary"), "x") | {"name": "Inkwell"}
    assert changed(lambda s: catalog.put_reviewer(s, "The Builder", "Another lens"))
    assert changed(lambda s: catalog.put_tool(s, "inkwell", fields, [("The Skeptic", "skip", "No.")]))
    assert not changed(lambda s: catalog.put_tool(s, "inkwell", fields, [("The Skeptic", "skip", "No.")]))
    assert changed(lambda s: catalog.put_comparison(s, "new", ("patchbay", "inkwell"), "Which?", START, START))
    assert changed(lambda s: archive.archive(s, ["new"], START))


def test_a_fold_changes_it_and_a_vote_alone_does_not(changed, catalogue):
    assert not changed(lambda s: cast(s, catalogue, "ship"))
    assert changed(lambda s: tallies.fold(s, START))
    assert not changed(lambda s: tallies.fold(s, START))


def test_two_folds_that_undo_one_another_never_lead_back_to_a_version(changed, catalogue):
    seen = {version()}
    for choice in ("ship", "skip", "ship", "skip"):
        with writing() as session:
            cast(session, catalogue, choice)
            tallies.fold(session, START)
        seen.add(version())
    assert len(seen) == 5


def test_a_digest_changes_it_when_it_goes_out_and_not_with_each_page_of_its_audience(changed):
    def of_digest(**values):
        said = ", ".join(f"{name} = :{name}" for name in values)
        return lambda s: s.execute(text(f"UPDATE digests SET {said}"), values)

    assert changed(lambda s: digests.open_slot(s, "2026-W47", START, START))
    assert not changed(of_digest(addressed_to=500))
    assert not changed(of_digest(transport="smtp", resumed_at=None))
    assert changed(of_digest(state="frozen"))


def test_a_transaction_that_fails_leaves_it(catalogue):
    before = version()
    with writing() as session:
        catalog.put_reviewer(session, "The Builder", "Another lens")
        session.flush()
        session.rollback()
    assert version() == before


def test_a_comparison_is_published_by_the_clock_alone(catalogue):
    with writing() as session:
        later = START + timedelta(minutes=1)
        catalog.put_comparison(session, "later", ("quillmate", "patchbay"), "Which?", later, START)
    assert version(START) == version(START + timedelta(seconds=59)) != version(START + timedelta(seconds=60))


def test_every_table_that_pages_show_has_its_triggers(database):
    """A migration that makes a table anew loses them on SQLite."""
    if database.startswith("sqlite"):
        query = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'page_version%'"
        each = 3
    else:
        query = "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgname LIKE 'page_version%'"
        each = 1
    with engine().connect() as connection:
        found = [row[0] for row in connection.execute(text(query))]
        assert set(inspect(connection).get_table_names()) >= set(page_version.WATCHED)
    assert sorted(found) == sorted(page_version.WATCHED * each)


def test_two_that_change_content_at_once_never_wait_for_each_other(postgresql):
    """The one row is locked at the commit alone: a fold and an import each hold locks that the other wants later."""
    with engine().connect() as one, engine().connect() as other:
        one.execute(text("INSERT INTO reviewers (name, lens) VALUES ('A', 'x')"))
        other.execute(text("SET lock_timeout = '2s'"))
        other.execute(text("INSERT INTO reviewers (name, lens) VALUES ('B', 'x')"))
        other.commit()
        one.commit()
    assert version().content != "first None"
