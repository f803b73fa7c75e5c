"""What is installed is what was tested: pinned, hashed, and from whichever registry the machine uses."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PINS = [Requirement(line.split(" \\")[0]) for line in LOCK.splitlines() if re.match(r"[a-z0-9]", line)]


def test_every_package_is_pinned_and_hashed():
    blocks = re.split(r"\n(?=[a-z0-9])", LOCK[LOCK.index("\n", LOCK.rindex("\n# ") if "\n# " in LOCK else 0) :])
    assert len(PINS) > 50
    for block in blocks[1:]:
        assert re.match(r"[a-z0-9._-]+(\[.+\])?==", block), block[:60]
        assert "--hash=sha256:" in block, block[:60]


def test_every_dependency_is_in_the_lock():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {pin.name.lower().replace("_", "-"): pin for pin in PINS}
    for written in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        wanted = Requirement(written)
        pin = pinned[wanted.name.lower()]
        version = next(iter(pin.specifier)).version
        assert wanted.specifier.contains(version), f"{wanted} is not what the lock says: make lock"


def test_names_that_others_own_are_not_installed():
    assert not {"db", "emails", "worker", "web", "web-py"} & {pin.name.lower() for pin in PINS}


def test_no_registry_and_no_machine_is_named_in_the_tree():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    # Written in pieces, so that this file does not name them either.
    hosts = ["py" + "pi.org", "python" + "hosted.", "registry." + "npmjs", "deb." + "debian.org"]
    machines = [rf"(^|[^A-Za-z0-9._/-])/{folder}/" for folder in ("work", "farm", "root")]
    bad = re.compile("|".join([re.escape(host) for host in hosts] + machines), re.MULTILINE)
    named = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and path.suffix not in (".png", ".woff2", ".ico"):
            named += [f"{name}: {found[0]!r}" for found in bad.finditer(path.read_text(errors="replace"))]
    assert named == []
