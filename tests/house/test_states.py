"""Every state and every table stands in docs/states.md, and every name there is one in the code."""

import re
from pathlib import Path

import pytest

from db.deliveries import deliveries
from db.digests import digests
from db.jobs import jobs
from db.session import Row
from db.subscribers import subscribers
from db.tables import TABLES
from tests.house.test_glossary import reach

PAGE = (Path(__file__).parents[2] / "docs/states.md").read_text()
STATES = {
    "A job": jobs.STATES,
    "A delivery": deliveries.STATES,
    "A digest": digests.STATES,
    "A subscriber": subscribers.STATES,
}


def rows(title: str) -> list[list[str]]:
    """The cells of the table under that heading, without its head."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize("title", STATES)
def test_every_state_has_its_row(title):
    assert [state.strip("`") for state, _, _ in rows(title)] == list(STATES[title])


@pytest.mark.parametrize("title", STATES)
def test_every_arrow_leads_to_a_state(title):
    for _, _, moves in rows(title):
        for arrow in re.findall(r"→ ([^(·;:]+)", moves):
            aims = re.findall(r"`(\w+)`", arrow)
            assert aims, arrow
            assert set(aims) <= set(STATES[title]), arrow


def test_every_table_has_its_row_with_its_class():
    classes = [mapper.class_ for mapper in Row.registry.mappers]
    homes = {each.__tablename__: f"{each.__module__}.{each.__name__}" for each in classes}
    written = {table.strip("`"): where.strip("`") for table, where, _, _ in rows("The tables")}
    assert written == {name: homes[name] for name in TABLES.tables}


def test_every_name_is_one_in_the_code():
    names = re.findall(r"`((?:db|emails|worker|web)\.[\w.]+)`", PAGE)
    assert len(names) > 60
    for name in names:
        reach(name)
