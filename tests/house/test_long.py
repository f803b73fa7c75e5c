"""What takes long is run apart from what is run at each change, and CI runs both."""

import re
from pathlib import Path

import pytest

from tests.conftest import LONG_FOLDERS

ROOT = Path(__file__).parents[2]
STARTERS = re.compile(r"^from tests\.crash(\.deployment import .*\bDeployment\b| import postgresql$)", re.M)


def recipe(target: str) -> str:
    return re.search(rf"^{target}: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)[1]


def test_who_starts_lines_of_the_procfile_or_a_database_server_is_marked_long():
    files = {path.relative_to(ROOT): path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    starting = {path: text for path, text in files.items() if STARTERS.search(text) and "mark.outside" not in text}
    assert len(starting) > 10
    short = {path for path, text in starting.items() if "mark.long" not in text and path.parts[1] not in LONG_FOLDERS}
    assert short == set()


@pytest.mark.parametrize(("target", "chosen"), [("test", ' -m "not long" '), ("test-long", " -m long ")])
def test_each_target_runs_what_the_other_leaves_out_and_ci_runs_both(target, chosen):
    assert chosen in recipe(target)
    assert re.search(rf"^make {target} ", (ROOT / ".ci/run").read_text(), re.M)


def test_where_all_tests_run_none_is_chosen():
    assert " -m " not in recipe("test-all").replace("-m pytest", "")
    assert " test-all " in recipe("pythons")
