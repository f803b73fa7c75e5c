"""The wheel carries everything that runs, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("db", "emails", "worker", "web")


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


def test_every_file_of_the_floors_is_in_it(names):
    here = {
        str(path.relative_to(ROOT))
        for floor in FLOORS
        for path in (ROOT / floor).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert here <= names


@pytest.mark.parametrize("kind", ["web/templates/", "web/static/", "db/migrations/versions/", "emails/templates/"])
def test_what_is_not_python_is_in_it_too(names, kind):
    assert [name for name in names if name.startswith(kind)]


def test_up_finds_its_procfile_and_the_demo_in_it(names):
    assert {"web/cli/Procfile", "web/cli/demo.yaml"} <= names


def test_nothing_else_is_in_it(names):
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(FLOORS)
