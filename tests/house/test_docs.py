"""The words hold: settings and commands stand in the README as the code has them, and links lead somewhere."""

import re
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest
from pydantic_core import PydanticUndefined

from db.settings import Settings, variable
from web.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
PRESENT = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
"""Pages that tell what is so today; decisions and the changelog tell what was so when they were written."""
FROM_OTHERS = {"base_url": "http://localhost:PORT", "mail_from": "SITE_NAME <digest@localhost.localdomain>"}


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of the table under that heading, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


# ---- settings ----------------------------------------------------------------------------------------------


def default(field: str) -> str:
    """A setting's default, as one would write it."""
    value = Settings.model_fields[field].default
    if value is PydanticUndefined:
        return FROM_OTHERS[field]
    if isinstance(value, timedelta):
        if value < timedelta(hours=1):
            return f"{value // timedelta(minutes=1)}m"
        return f"{value.days}d" if value > timedelta(days=1) else f"{value // timedelta(hours=1)}h"
    if isinstance(value, ZoneInfo):
        return value.key
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value in (None, "", ()) else f"{value:g}" if isinstance(value, float) else str(value)


def test_every_setting_stands_in_the_readme_as_the_code_has_it():
    written = [[cell.strip("`") if at < 2 else cell for at, cell in enumerate(row)] for row in rows("Settings")]
    # The whole table anew: python -m tests.house.test_docs
    known = [[variable(name), default(name) or "–", field.description] for name, field in Settings.model_fields.items()]
    assert written == known


# ---- commands ----------------------------------------------------------------------------------------------


def commands(group: click.Group, *above: str) -> set[tuple[str, ...]]:
    found = set()
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = isinstance(command, click.Group)
        found |= commands(command, *above, name) if inner else {(*above, name)}
    return found


def test_every_command_stands_in_the_readme():
    written = set()
    for cell, _ in rows("Commands"):
        words = cell.strip("`")
        if not words.startswith("verdicts "):
            continue
        first, *others = words.removeprefix("verdicts ").split(" / ")
        group, *rest = first.split()
        if not rest or not re.fullmatch("[a-z]+", rest[0]):
            written.add((group,))
            continue
        written |= {(group, rest[0])} | {(group, other.split()[0]) for other in others}
    assert written == commands(main)


def test_every_command_says_what_it_does():
    def helpless(group, *above):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if not command.help:
                yield (*above, name)
            if isinstance(command, click.Group):
                yield from helpless(command, *above, name)

    assert list(helpless(main)) == []


def test_every_make_target_stands_in_make_help():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split()
    assert {"setup", "up", "test", "check", "bench", "help"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:.*## \w", makefile, re.MULTILINE), target


# ---- links -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith(("http://localhost", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", aim.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads], target


@pytest.mark.parametrize("page", PRESENT, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_named_is_there(page):
    for path in re.findall(r"(?<![\w/.-])((?:db|emails|worker|web|tests)/[\w./-]*\w)", page.read_text()):
        assert (ROOT / path).exists(), path


def test_every_decision_is_a_short_record():
    records = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert len({path.name[:4] for path in records}) == len(records) > 0
    for path in records:
        text = path.read_text()
        for heading in ("## Context", "## Decision", "## Consequences"):
            assert heading in text, path.name
        assert len(text.splitlines()) < 60, path.name
        assert path.name in (ROOT / "docs/README.md").read_text(), path.name


if __name__ == "__main__":
    for name, field in Settings.model_fields.items():
        print(f"| `{variable(name)}` | {f'`{default(name)}`' if default(name) else '–'} | {field.description} |")
