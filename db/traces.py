"""Masks erased addresses wherever texts quote them: in each column that the register calls free text, page by page."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Column, Table, func, select, update

from db.addresses import hashes_of
from db.masking import IsTheirs, masked_fields
from db.register import places
from db.session import Session, is_sqlite
from db.tables import TABLES

PAGE = 2_000
APPEND_ONLY = ("audit",)
"""Tables whose texts are masked when they are written: they cannot be changed later."""
RAW = ("raw_events",)
"""Tables with bytes as they came in, which nothing can be masked in: rows are deleted (worker/people/erasure.py)."""


class Quotes(NamedTuple):
    """The rows of a page that quote an erased address, and the last row that the page has seen."""

    keys: list[Any]
    last: Any


def tables() -> list[str]:
    """The tables to be searched: those with free text about readers, by name."""
    return sorted({each.table for each in places(TABLES) if each.word == "free text"} - {*APPEND_ONLY, *RAW})


def of_hashes(hashes: Collection[str]) -> IsTheirs:
    """Whether an address is one of these, which are known by keyed hash alone."""
    wanted = frozenset(hashes)
    return lambda key: not wanted.isdisjoint(hashes_of(key))


def page(session: Session, table: str, after: str, is_theirs: IsTheirs) -> Quotes | None:
    """Search the next page of a table, behind the row with that key. None if there is none."""
    key, texts = _columns(table)
    beyond = select(key).order_by(key).limit(PAGE)
    beyond = beyond.where(key > _read(key, after)) if after else beyond
    last = session.scalar(select(func.max(beyond.subquery().columns[0])))
    if last is None:
        return None
    query = select(key, *texts).where(key <= last)
    rows = session.execute(query.where(key > _read(key, after)) if after else query).all()
    if not _any_quotes(rows, is_theirs):
        return Quotes([], last)
    return Quotes([row[0] for row in rows if _masked(row[1:], is_theirs) != list(row[1:])], last)


def _any_quotes(rows: Sequence[Any], is_theirs: IsTheirs) -> bool:
    """Whether a page quotes any of them: its texts are searched as one, since hardly any page does."""
    values: list[Any] = [value for row in rows for value in row[1:] if value is not None]
    texts = "\n".join(value for value in values if isinstance(value, str))
    whole = [texts, *(value for value in values if not isinstance(value, str))]
    return bool(masked_fields(whole, is_theirs) != whole)


def mask(session: Session, table: str, keys: list[Any], is_theirs: IsTheirs) -> int:
    """Mask the addresses in these rows, as they are now. Returns how many rows were changed."""
    key, texts = _columns(table)
    query, changed = select(key, *texts).where(key.in_(keys)), 0
    for row in session.execute(query if is_sqlite(session) else query.with_for_update()).all():
        masked = _masked(row[1:], is_theirs)
        if masked != list(row[1:]):
            values = {column.name: value for column, value in zip(texts, masked, strict=True)}
            session.execute(update(key.table).where(key == row[0]).values(values))
            changed += 1
    return changed


@cache
def _columns(table: str) -> tuple[Column[Any], list[Column[Any]]]:
    """The primary key's column and those with free text."""
    found: Table = TABLES.tables[table]
    [key] = found.primary_key.columns
    names = [each.column for each in places(TABLES) if each.table == table and each.word == "free text"]
    return key, [found.columns[name] for name in names]


def _read(key: Column[Any], kept: str) -> Any:
    return key.type.python_type(kept)


def _masked(values: Any, is_theirs: IsTheirs) -> list[Any]:
    return [masked_fields(value, is_theirs) for value in values]
