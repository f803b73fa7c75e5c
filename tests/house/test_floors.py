"""Imports go down only, and every rule of the floors is one that import-linter reads."""

import tomllib
from pathlib import Path

import grimp
from importlinter.api import read_configuration
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[2]


def test_imports_go_down_only(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert lint_imports(cache_dir=None) == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_the_floors_are_the_ones_in_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert packages == ["db", "emails", "worker", "web"]
    contracts = read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]
    assert contracts[0]["layers"] == list(reversed(packages))


def test_letters_take_settings_and_rules_from_the_ground_floor_and_no_more():
    graph = grimp.build_graph("emails", "db")
    taken = {
        name for room in graph.find_descendants("emails") for name in graph.find_modules_directly_imported_by(room)
    }
    assert {name for name in taken if name.startswith("db")} <= {
        "db.settings",
        "db.rules",
        "db.private_files",
        "db.urls",
    }
