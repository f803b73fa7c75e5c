"""`verdicts import` at a terminal: many new comparisons are a question, and no answer changes nothing."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.digests import archive, catalog
from db.session import reading
from tests.journeys.test_between_digests import backlog
from tests.terminals import END_OF_INPUT, at_a_terminal

QUESTION = "11 comparisons are new and would all stand in the next digest. Archive them instead?"


@pytest.fixture
def old_work(sqlite) -> Path:
    """A file with eleven comparisons that are not here yet."""
    path = Path("old-work.yaml")
    path.write_text(re.sub(r", publish_at: [\d-]+", "", backlog(11)))  # published at once, whatever the day is
    return path


def new() -> int:
    with reading() as session:
        return len(archive.listed(session, datetime.now(UTC)))


def stored() -> int:
    with reading() as session:
        return len(catalog.comparison_slugs(session))


@pytest.mark.parametrize(("answer", "taken"), [("y", 0), ("n", 11)])
def test_an_editor_answers_whether_many_are_archived(old_work, answer, taken):
    code, shown = at_a_terminal("import", str(old_work), answer=answer)
    assert (code, stored(), new()) == (0, 11, taken), shown
    assert QUESTION in shown


def test_who_breaks_off_at_the_question_has_imported_nothing(old_work):
    code, shown = at_a_terminal("import", str(old_work), answer=END_OF_INPUT)
    assert (code, stored()) == (1, 0), shown
    assert QUESTION in shown


@pytest.mark.parametrize(("option", "taken"), [("--archive", 0), ("--no-archive", 11)])
def test_who_has_said_it_before_is_not_asked(old_work, option, taken):
    code, shown = at_a_terminal("import", str(old_work), option)
    assert (code, stored(), new()) == (0, 11, taken), shown
    assert "?" not in shown


def test_a_faulty_file_is_refused_before_anybody_is_asked(old_work):
    old_work.write_text(old_work.read_text().replace("[larkspur, second-pair]", "[larkspur, nobody]"))
    code, shown = at_a_terminal("import", str(old_work))
    assert (code, stored()) == (1, 0)
    assert "nobody" in shown
    assert QUESTION not in shown


def test_a_file_that_says_so_itself_asks_nothing(old_work):
    old_work.write_text(old_work.read_text() + "archive: false\n")
    code, shown = at_a_terminal("import", str(old_work))
    assert (code, new()) == (0, 11), shown
