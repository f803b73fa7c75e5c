"""`verdicts import` at a terminal: many new comparisons are a question, and no answer changes nothing."""

import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.digests import archive, catalog
from db.session import reading
from tests.journeys.test_between_digests import backlog

VERDICTS = str(Path(sys.executable).with_name("verdicts"))
QUESTION = "11 comparisons are new and would all stand in the next digest. Archive them instead?"


@pytest.fixture
def old_work(sqlite) -> Path:
    """A file with eleven comparisons that are not here yet."""
    path = Path("old-work.yaml")
    path.write_text(re.sub(r", publish_at: [\d-]+", "", backlog(11)))  # published at once, whatever the day is
    return path


def at_a_terminal(*words: str, answer: str = "") -> tuple[int, str]:
    """The command's exit code and all that its terminal showed; `answer` is typed before it asks."""
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    started = subprocess.Popen([VERDICTS, *words], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass  # how Linux says that nobody holds the other end any more
    finally:
        os.close(ours)
    return started.wait(60), shown.decode().replace("\r\n", "\n")


def new() -> int:
    with reading() as session:
        return len(archive.listed(session, datetime.now(UTC)))


def stored() -> int:
    with reading() as session:
        return len(catalog.comparison_slugs(session))


@pytest.mark.parametrize(("answer", "taken"), [("y\n", 0), ("n\n", 11)])
def test_an_editor_answers_whether_many_are_archived(old_work, answer, taken):
    code, shown = at_a_terminal("import", str(old_work), answer=answer)
    assert (code, stored(), new()) == (0, 11, taken), shown
    assert QUESTION in shown


def test_who_breaks_off_at_the_question_has_imported_nothing(old_work):
    code, shown = at_a_terminal("import", str(old_work), answer="\x04")
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
