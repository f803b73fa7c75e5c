"""A line of the Procfile runs the code of its own release, in whichever folder it is begun."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from db import signing_keys
from tests.house.test_procfile import LINES

FOREIGN = "raise SystemExit('the code of another checkout')"


@pytest.fixture
def checkout(house: Path) -> Path:
    """The folder of another checkout."""
    for room in ("db", "emails", "worker", "web"):
        (house / room).mkdir()
        (house / room / "__init__.py").write_text(FOREIGN)
    return house


def said(line: str, **variables: str) -> str:
    """What the line says by the time that it ends by itself, when a shell starts it here."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["/bin/sh", "-c", f"exec {line}"], env=os.environ | {"PATH": path} | variables,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode
    return ended.stdout + ended.stderr


@pytest.mark.long
@pytest.mark.parametrize("name", ["web", "sender", "clock"])
def test_one_begun_in_the_folder_of_another_checkout_runs_its_own_code(name, sqlite, redis_url, checkout):
    """It refuses a key that is not this site's, which is its own code's word; the other's would end at once."""
    signing_keys.record()
    told = said(LINES[name], SECRET_KEY="foreign", PORT="1")
    assert "Error: SECRET_KEY" in told
    assert "Traceback" not in told


@pytest.mark.long
def test_the_outside_line_does_so_too(sqlite, checkout):
    assert said(LINES["outside"], SEND_WINDOW="wide").startswith("Error: SEND_WINDOW is 'wide'")


@pytest.mark.long
def test_a_wrong_setting_is_one_sentence_and_no_traceback(sqlite):
    told = said(LINES["worker"], SEND_WINDOW="wide")
    assert told.startswith("Error: SEND_WINDOW is 'wide'")
    assert told.count("\n") == 1


def test_every_line_leaves_the_working_directory_out():
    assert all("python -P -m " in line for line in LINES.values())


def test_the_program_that_is_missing_is_asked_for(sqlite):
    assert "Say which program to run" in said("python -P -m web.line flower")
