"""What a row is outside any database: the same values, and the same bytes, whichever kind it was read from.

A moment is UTC in SQLite's format, JSON is written as Python's json does, true and false are 1 and 0: just what our
tables in SQLite hold.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Float, Integer, LargeBinary, Table
from sqlalchemy.types import Date, DateTime, Time, TypeDecorator, TypeEngine

Value = str | int | float | bytes | None
Values = tuple[Value, ...]

KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (Boolean, "boolean"), (Integer, "integer"), (Float, "float"), (DateTime, "moment"), (Date, "date"),
    (Time, "time"), (JSON, "json"), (LargeBinary, "bytes"),
)  # fmt: skip
"""The kinds of columns; every other type is text."""


def kind_of(column: Column[Any]) -> str:
    stored = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    return next((kind for of, kind in KINDS if isinstance(stored, of)), "text")


_WHOLE = len("2026-11-17 09:00:00.000000")
"""Nearly every moment in SQLite is written in full, and need not be read."""


def _moment(value: str | datetime) -> str:
    if isinstance(value, str) and len(value) == _WHOLE:
        return value
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (read.astimezone(UTC) if read.tzinfo else read).replace(tzinfo=None).isoformat(" ", "microseconds")


def _time(value: str | time) -> str:
    return (time.fromisoformat(value) if isinstance(value, str) else value).isoformat("microseconds")


def _date(value: str | date) -> str:
    return value if isinstance(value, str) else value.isoformat()


def _json(value: str) -> str:
    return json.dumps(json.loads(value))


_OUT: dict[str, Callable[[Any], Value]] = {
    "boolean": int, "integer": int, "float": float, "moment": _moment, "date": _date, "time": _time, "json": _json,
    "bytes": bytes,
}  # fmt: skip


def canonical(table: Table, rows: Iterable[Sequence[Any]]) -> list[Values]:
    """The rows with the driver's values made canonical. Raises ValueError where one is not of its column's type."""
    changed = [(at, _OUT[kind]) for at, column in enumerate(table.columns) if (kind := kind_of(column)) in _OUT]
    found = []
    for row in rows:
        values = list(row)
        for at, out in changed:
            if values[at] is not None:
                values[at] = out(values[at])
        found.append(tuple(values))
    return found


_WRITTEN = json.JSONEncoder(separators=(",", ":"), default=bytes.hex).encode


@dataclass
class Checksum:
    """The number of rows and a sum of their SHA-256, which does not depend on their order."""

    rows: int = 0
    total: int = 0

    def add(self, rows: Sequence[Values]) -> None:
        for row in rows:
            written = _WRITTEN(row).encode()
            self.total += int.from_bytes(hashlib.sha256(written).digest(), "big")
        self.total %= 1 << 256
        self.rows += len(rows)

    @property
    def hex(self) -> str:
        return f"{self.total:064x}"
