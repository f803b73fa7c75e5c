"""Fills every column of the register that can hold a reader with one person, and finds that person in raw bytes."""

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import JSON, Boolean, Column, Computed, Enum, LargeBinary, Table, insert, inspect, select, text, update

from db.engine import engine
from db.register import Place, places
from db.session import Session, reading
from db.tables import TABLES
from db.traces import APPEND_ONLY

ZELDA = "Zelda.Quist@bücher.example"
"""As she types it; nobody else has anything of it."""
STORED = "Zelda.Quist@xn--bcher-kva.example"
NETWORK, BROWSER = "203.0.113.77", "Zeldafox"
_SPELLED = (
    STORED, STORED.upper(), ZELDA, quote(ZELDA, safe=""), quote(quote(STORED, safe=""), safe=""),
    STORED.replace("@", "=40"), STORED.replace("@", "&#64;"), f'"Zelda.Quist"@{STORED.partition("@")[2]}',
    base64.b64encode(f"To: {STORED}".encode()).decode(), json.dumps(ZELDA),
    str(ZELDA.encode()), f"bounce+{STORED.replace('@', '=').lower()}@lists.example",
)  # fmt: skip
QUOTED = "550 5.1.1 who is <" + ">, <".join(_SPELLED) + ">?"
WORDS = {
    ("deliveries", "state"): "sent", ("digests", "state"): "finished", ("subscribers", "state"): "unsubscribed",
    ("operators", "role"): "admin", ("jobs", "state"): "dead",
}  # fmt: skip


def fill(session: Session) -> list[Place]:
    """Write her into each such column; a table that is empty gets a row. Returns the columns."""
    hers = [place for place in places(TABLES) if place.of == "readers" and place.word in ("address", "free text")]
    hers = [place for place in hers if place.table not in APPEND_ONLY]
    for table in TABLES.sorted_tables:
        told = {place.column: place.word for place in hers if place.table == table.name}
        if told:
            _row(session, table)
        for name, word in told.items():
            column = table.columns[name]
            if word == "free text":
                value: Any = {"said": QUOTED, ZELDA: [QUOTED]} if isinstance(column.type, JSON) else QUOTED
                value = QUOTED.encode() if isinstance(column.type, LargeBinary) else value
                session.execute(update(table).values({name: value}))
            elif table.name != "subscribers":
                session.execute(update(table).values({name: STORED}))
    return hers


def _row(session: Session, table: Table) -> Any:
    """The primary key of some row; it is made if there is none."""
    key = next(iter(table.primary_key.columns))
    found = session.scalar(select(key).limit(1))
    if found is not None:
        return found
    values = {each.name: _value(session, each) for each in table.columns if not _is_given(each)}
    session.execute(insert(table).values(values))
    return session.scalar(select(key).limit(1))


def _is_given(column: Column[Any]) -> bool:
    by_itself = column.primary_key and column.autoincrement is True
    return column.nullable or isinstance(column.server_default, Computed) or by_itself


def _value(session: Session, column: Column[Any]) -> Any:
    for foreign in column.foreign_keys:
        return _row(session, foreign.column.table)
    if (column.table.name, column.name) in WORDS:
        return WORDS[column.table.name, column.name]
    if isinstance(column.type, Enum):
        return column.type.enums[0]
    if isinstance(column.type, JSON):
        return {}
    if isinstance(column.type, Boolean):
        return False
    kind = getattr(column.type, "impl_instance", column.type).python_type
    return {
        datetime: datetime(2026, 11, 17, tzinfo=UTC),
        date: date(2026, 11, 17),
        time: time(9),
        str: "x",
        bytes: b"x",
    }.get(kind, 1)


# ---- finding her ---------------------------------------------------------------------------------------------

_TRACES = re.compile(rb"zelda|quist|" + re.escape(NETWORK).encode(), re.IGNORECASE)


def traces(raw: bytes) -> list[bytes]:
    """Her traces in raw bytes, as they are or in base64, with what stands around them."""
    found = [raw[max(0, at.start() - 30) : at.end() + 30] for at in _TRACES.finditer(raw)]
    return found + [each for each in _in_base64() if each in raw]


def _in_base64() -> Iterator[bytes]:
    for spelled in (STORED, STORED.lower(), ZELDA):
        for shift in range(3):
            whole = base64.b64encode(b"x" * shift + spelled.encode())
            yield whole[4:-4]


def in_tables() -> set[str]:
    """The columns in which a trace of her stands, such as `consents.address`."""
    found = set()
    with reading() as session:
        for name in inspect(engine()).get_table_names():
            for row in session.execute(text(f"SELECT * FROM {name}")).mappings():
                found |= {f"{name}.{column}" for column, value in row.items() if traces(str(value).encode())}
    return found


def in_files(folder: Path) -> list[str]:
    """The files below a folder in which a trace of her stands, with it."""
    files = [each for each in folder.rglob("*") if each.is_file() and not each.is_symlink()]
    return [f"{file}: {seen[:3]}" for file in files if (seen := traces(file.read_bytes()) + traces(file.name.encode()))]
