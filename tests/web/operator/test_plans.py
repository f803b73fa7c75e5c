"""Every question that a page of the console asks is answered by an index: shown by the databases' own EXPLAIN."""

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from sqlalchemy import event

from db.engine import engine
from db.tables import TABLES
from tests import crowded, opened
from web.operator.frame.cached import Cached

LARGE = ("jobs", "attempts", "deliveries", "subscribers", "consents", "votes", "audit", "webhook_messages")
SIZE = crowded.Size(
    readers=1000,
    dead=200,
    succeeded=900,
    votes=900,
    orders=900,
    operators=9,
    finished=80,
    singles=200,
    messages=700,
)
MAY_WALK = {
    r"SELECT subscribers.state, count\(\*\)": "counts each list in its index; kept for 20 times what it took",
    r"SELECT min\(subscribers.id\)": "ends at the first reader of the audience",
}
"""Questions that may look at a whole index, by how they begin, each with the reason why."""
PARTIAL = {
    index.name for table in TABLES.tables.values() for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
}  # fmt: skip

TABLE_OF = {
    each.name: table.name for table in TABLES.tables.values() for each in (*table.indexes, *table.constraints)
}  # fmt: skip

Asked = dict[str, tuple[Any, set[str]]]
"""Each statement, with values that it was asked with, and the pages that asked it."""


@pytest.fixture
def asked(database: str, console, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """All that the pages of a crowded house ask, none of it from what the process keeps for a moment."""
    browser = console("admin")
    crowded.fill(SIZE)
    monkeypatch.setattr(Cached, "patience", 30.0)
    places, found = opened.places(), cast(Asked, {})
    here = ""

    def hear(connection: Any, cursor: Any, statement: str, values: Any, context: Any, executemany: bool) -> None:
        found.setdefault(statement, (values, set()))[1].add(here)

    event.listen(engine(), "before_cursor_execute", hear)
    for _, here in opened.addresses(browser.application, places):
        opened.forget(browser.application)
        assert browser.get(here).status_code < 500, here
    event.remove(engine(), "before_cursor_execute", hear)
    assert len(found) > 50
    return found


def test_every_page_is_answered_by_indexes(asked: Asked):
    faults = []
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        on_sqlite = connection.dialect.name == "sqlite"
        look = _walks_on_sqlite if on_sqlite else _walks_on_postgresql
        # PostgreSQL gathers statistics by itself; of SQLite's tables there may be some, or none.
        for analyzed in (False, True) if on_sqlite else (True,):
            if analyzed:
                connection.exec_driver_sql("ANALYZE")
            for statement, (values, pages) in asked.items():
                if re.match(r"\s*(SELECT|WITH)\b", statement) and "WHERE 0 = 1" not in statement:
                    walks = look(connection, statement, values)
                    faults += [f"{walk}: {min(pages)}: {' '.join(statement.split())}" for walk in walks]
    unforeseen = sorted({each for each in faults if not _may(each)})
    assert not unforeseen, "\n\n".join(unforeseen)


def test_a_question_without_an_index_is_noticed(database: str):
    """In an empty database too: what counts is whether there is an index, and not what it costs."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        look = _walks_on_sqlite if connection.dialect.name == "sqlite" else _walks_on_postgresql
        for statement in (
            "SELECT count(*) FROM jobs WHERE said = 'x'",
            "SELECT id FROM deliveries WHERE code = 250 ORDER BY id DESC LIMIT 50",
            "SELECT a.id FROM jobs AS j JOIN attempts AS a ON a.job_id = j.id WHERE a.message = 'x'",
        ):
            assert list(look(connection, statement, ())), statement
        for statement in ("SELECT id FROM deliveries ORDER BY id DESC LIMIT 50", "SELECT said FROM jobs WHERE id = 7"):
            assert not list(look(connection, statement, ())), statement


def _may(fault: str) -> bool:
    return any(re.search(": " + begins, fault) for begins in MAY_WALK)


# ---- what a plan says ------------------------------------------------------------------------------------------


def _walks_on_sqlite(connection: Any, statement: str, values: Any) -> Iterator[str]:
    """SCAN of a large table, or of an index that holds all of it, unless a LIMIT without a condition ends it."""
    plan = [row[3] for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, values)]
    sorts = any("TEMP B-TREE FOR ORDER BY" in line for line in plan)
    called = {name: table for table in LARGE for name in _names(statement, table)}
    for line in plan:
        scanned = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", line)
        if scanned and scanned[1] in called and scanned[2] not in PARTIAL:
            first_rows = re.search(r"\bLIMIT\b", statement) and not re.search(r"\bWHERE\b", statement) and not sorts
            if not first_rows:
                yield line


def _names(statement: str, table: str) -> set[str]:
    """The table's own name and what the statement calls it."""
    return {table, *re.findall(rf"\b{table} (?:AS )?(\w+)", statement)}


def _walks_on_postgresql(connection: Any, statement: str, values: Any) -> Iterator[str]:
    """A large table, or an index that holds all of it, read from end to end, where no index serves the condition.

    Tables are small here, so that their order may look cheaper to the planner than an index that there is: a walk
    counts where none is left once both are forbidden.
    """
    walks = []
    for forbidden in (("seqscan",), ("seqscan", "indexscan")):
        connection.exec_driver_sql("RESET ALL")
        for way in forbidden:
            connection.exec_driver_sql(f"SET enable_{way} = off")
        [(plan,)] = connection.exec_driver_sql("EXPLAIN (FORMAT JSON) " + statement, values).all()
        walks.append(list(_walks_in(plan[0]["Plan"], limited=False)))
    if all(walks):
        yield from walks[0]


def _walks_in(node: dict[str, Any], limited: bool) -> Iterator[str]:
    kind, table = node["Node Type"], node.get("Relation Name") or TABLE_OF.get(node.get("Index Name"))
    if table in LARGE and not (limited and "Filter" not in node):
        index = node.get("Index Name")
        if kind == "Seq Scan" or ("Index" in kind and "Index Cond" not in node and index not in PARTIAL):
            yield f"{kind} on {table}" + (f" by {index}" if index else "")
    ends = kind == "Limit" or (limited and kind in ("Subquery Scan", "Result", "Bitmap Heap Scan"))
    for each in node.get("Plans", ()):
        yield from _walks_in(each, limited=ends)
