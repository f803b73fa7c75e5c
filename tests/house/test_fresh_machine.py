"""A machine that has nothing but a Python: which of its Pythons are taken, and that all of Verdicts imports there."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("db", "emails", "worker", "web")


RUNS = f'[ "$1" = -m ] && echo "$0 was taken" && exit 1\nexec "{sys.executable}" "$@"'
"""A Python that answers like this one, and that says so when a virtual environment is asked of it."""
CANNOT_RUN = "echo 'command not found' >&2; exit 127"
WITHOUT_VENV = "echo 'No module named ensurepip' >&2; exit 1"


@pytest.fixture
def path(tmp_path):
    """`path(**{"python3.13": RUNS})` puts programs on a PATH, and gives the environment that has it."""
    programs = {f"python3.{minor}": CANNOT_RUN for minor in (11, 12, 13, 14)} | {"python3": CANNOT_RUN}

    def put(**others: str) -> dict[str, str]:
        for name, line in {**programs, **others}.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
            (tmp_path / name).chmod(0o755)
        return {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}

    return put


def set_up(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    make = ["make", "setup", f"VENV={folder}/venv", *arguments]
    done = subprocess.run(make, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    return done.stdout


def test_every_module_imports():
    for floor in FLOORS:
        for module in pkgutil.walk_packages([str(ROOT / floor)], f"{floor}."):
            if not module.name.startswith("db.migrations."):  # Alembic loads these by path, with a context of its own
                importlib.import_module(module.name)


def test_make_takes_the_newest_python_that_can_run(path, tmp_path):
    said = set_up(path(**{"python3.14": WITHOUT_VENV, "python3.13": RUNS, "python3.11": RUNS}), tmp_path)
    assert f"{tmp_path}/python3.13 was taken" in said


def test_make_takes_the_python_that_is_named_and_no_other(path, tmp_path):
    environment = path(**{"python3.14": RUNS, "python3.12": RUNS})
    assert f"{tmp_path}/python3.12 was taken" in set_up(environment, tmp_path, "PYTHON=python3.12")
    assert "none was found" in set_up(environment, tmp_path, "PYTHON=python3.13")


def test_make_says_what_to_install_where_no_python_is_new_enough(path, tmp_path):
    said = set_up(path(), tmp_path)
    assert "Verdicts needs Python 3.11, 3.12, 3.13 or 3.14 with its venv module" in said


def test_a_shim_that_cannot_run_gets_no_smoke_test(path):
    environment = path(**{"python3.13": RUNS, "python3.12": WITHOUT_VENV})
    told = subprocess.run([ROOT / "tests/pythons.sh"], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split() == [sys.executable]


def test_all_versions_of_pyenv_are_asked(path):
    """pyenv's shims run the versions that are selected, by default one: the others would be passed over."""
    selected = f'[ "$PYENV_VERSION" = 3.13.0:3.11.7 ] || exit 127\n{RUNS}'
    environment = path(**{"pyenv": "printf '3.13.0\\n3.11.7\\n'", "python3.13": selected})
    told = subprocess.run([ROOT / "tests/pythons.sh"], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split() == [sys.executable]
