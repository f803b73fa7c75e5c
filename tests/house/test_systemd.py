"""The systemd units in the docs run what the Procfile runs, and end it as `verdicts up` does."""

import configparser
import re
import shlex
import shutil
import subprocess

import pytest

from db.settings import Settings, variable
from tests.house.test_procfile import LINES, ROOT
from web.processes.supervise import TERM_SECONDS

UNITS = ROOT / "docs/systemd"
PROGRAMS = "/opt/verdicts/.venv/bin/"


def service(name: str) -> configparser.SectionProxy:
    parsed = configparser.ConfigParser(interpolation=None, strict=False)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(UNITS / f"verdicts-{name}.service")
    return parsed["Service"]


def test_there_is_a_unit_for_each_line():
    assert {each.stem for each in UNITS.glob("*.service")} == {f"verdicts-{name}" for name in LINES}


@pytest.mark.parametrize("name", LINES)
def test_a_unit_runs_its_line(name):
    """In a unit `%h` would be a home folder, and there is no `${NAME:-default}`: the default stands in Environment."""
    unit = service(name)
    given = shlex.split(unit.get("Environment", ""))
    command = unit["ExecStart"].removeprefix(PROGRAMS).replace("%%", "%")
    for each, value in (pair.split("=") for pair in given):
        if f"${{{each}}}" in command:
            command = command.replace(f"${{{each}}}", value)
        else:
            command = f"env {each}={value} {command}"
    line = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", LINES[name])
    assert command == line.replace("$PORT", str(Settings.model_fields["port"].default))


@pytest.mark.parametrize("name", LINES)
def test_a_unit_ends_as_softly_as_up_does(name):
    unit = service(name)
    assert unit["KillMode"] == "mixed"  # TERM to a sender's child would end it amid a letter
    assert int(unit["TimeoutStopSec"]) >= TERM_SECONDS
    assert unit["Restart"] == "always"


def test_the_units_differ_in_nothing_else():
    own = {"Environment", "ExecStart"}
    kept = [{key: value for key, value in service(name).items() if key not in own} for name in LINES]
    assert all(each == kept[0] for each in kept)


def test_the_example_s_variables_are_settings():
    named = re.findall(r"^([A-Z_]+)=", (UNITS / "environment").read_text(), re.MULTILINE)
    assert named
    assert set(named) <= {variable(field) for field in Settings.model_fields}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_understands_the_units(tmp_path):
    """It also asks whether the program is there, so one that is takes its place."""
    for unit in UNITS.glob("verdicts*.*"):
        text = unit.read_text().replace(PROGRAMS, "/bin/echo ")
        (tmp_path / unit.name).write_text(text)
    units = [str(each) for each in sorted(tmp_path.glob("verdicts*.*"))]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "verdicts" in line]
    assert ours == []
