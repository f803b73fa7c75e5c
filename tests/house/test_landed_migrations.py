"""Migrations that have landed never change: sites have run them. After a new one lands, its hash is added here."""

import hashlib
from pathlib import Path

VERSIONS = Path(__file__).parents[2] / "db/migrations/versions"
LANDED = Path(__file__).with_name("landed_migrations.txt")
"""Lines as `sha256sum` writes them: run it in the folder of the versions, over the new file."""


def test_what_has_landed_is_as_it_landed():
    landed = dict(reversed(line.split()) for line in LANDED.read_text().splitlines())
    here = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VERSIONS.glob("[0-9]*.py")}
    assert here == landed


def test_each_names_its_release_and_the_oldest_that_may_go_on():
    for path in sorted(VERSIONS.glob("[0-9]*.py")):
        if path.name >= "0010":
            assert "\nrelease = " in path.read_text(), path.name
            assert "\noldest = " in path.read_text(), path.name
