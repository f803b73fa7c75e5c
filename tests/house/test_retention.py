"""What pages, letters and docs promise about times is what db/rules/retention.py says."""

import re
from pathlib import Path

from db.rules import RETENTION

ROOT = Path(__file__).parents[2]
PROMISED = re.compile(r"\b(\d+) (days|months|weeks|years)\b")
READERS = [
    *(ROOT / "emails/templates").iterdir(),
    *(ROOT / "emails/letters").glob("*.py"),
    *(path for path in (ROOT / "web/templates").rglob("*.html") if "operator" not in path.parts),
    *(ROOT / "web/readers").glob("*.py"),
]


def test_the_operators_guide_has_the_table_as_the_code_has_it():
    section = (ROOT / "docs/operators.md").read_text().split("\n### How long data is kept\n")[1].split("\n### ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    written = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]
    known = [(rule.what, rule.until, rule.why) for rule in RETENTION.values()]
    assert [(what, kept.removeprefix("until "), why) for what, kept, why in written] == known


def test_what_readers_read_names_no_other_time():
    untils = {rule.until for rule in RETENTION.values()}
    named = {(path.name, found[0]) for path in READERS for found in PROMISED.finditer(path.read_text())}
    assert {time for _, time in named} <= untils, named
    assert ("confirm.py", "14 days") in named


def test_the_words_say_the_period():
    lengths = {"days": 1, "months": 30.4}
    for rule in RETENTION.values():
        found = PROMISED.fullmatch(rule.until)
        if found:
            assert rule.period.days == round(int(found[1]) * lengths[found[2]] + (0.5 if found[2] == "months" else 0))
        elif rule.period:
            assert rule.period.days == 1
            assert rule.until.startswith("a day")
