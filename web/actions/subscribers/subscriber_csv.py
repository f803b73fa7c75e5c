"""Imports and exports subscribers as CSV of any size, in constant memory."""

import csv
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO
from zoneinfo import available_timezones

from db import addresses
from db.rules import BadAddress
from db.session import reading
from db.subscribers import subscribers, suppressions
from db.subscribers.subscribers import Subscriber
from web.actions import Progress
from web.actions.subscribers.csv_states import FileState, StateColumns

PAGE = 1000
"""Rows in one transaction: short enough that no vote waits for long."""
MOST_PROBLEMS = 50


class BadPeople(ValueError):
    """A file that cannot be imported; `problems` are sentences, each with its line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class CsvRow(NamedTuple):
    """One person of a file."""

    number: int
    address: str
    time_zone: str | None
    held: FileState | None


class CsvPage(NamedTuple):
    """A page of people by normal address: the time zone of each, and why the file holds some of them back."""

    people: dict[str, str | None]
    held: dict[str, FileState]


def check(path: Path) -> int:
    """Validate the whole file in constant memory. Returns how many people it has. Raises BadPeople with all faults."""
    zones, problems, people = available_timezones(), list[str](), 0
    for line in _lines(path):
        people += 1
        try:
            addresses.normal(line.address)
        except BadAddress as error:
            problems.append(f"{path}:{line.number}: {line.address[:80]!r}: {error}")
        if line.time_zone and line.time_zone not in zones:
            problems.append(f"{path}:{line.number}: {line.time_zone[:80]!r} is no time zone, such as Europe/Berlin")
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise BadPeople(problems)
    return people


def pages(path: Path) -> Iterator[CsvPage]:
    """The people in a validated file, in pages."""
    # A temporary database on disk: a file may name a person twice, far apart, and then the more cautious row counts.
    with closing(sqlite3.connect("")) as memory:
        memory.execute("CREATE TABLE held (key TEXT PRIMARY KEY, meaning TEXT, cell TEXT)")
        found = ((addresses.key_of(addresses.normal(line.address)), *line.held) for line in _lines(path) if line.held)
        memory.executemany("INSERT INTO held VALUES (?, ?, ?) ON CONFLICT DO NOTHING", found)
        lines = _lines(path)
        while page := list(islice(lines, PAGE)):
            people = {addresses.normal(line.address): line.time_zone for line in page}
            yield CsvPage(people, _held(memory, list(people)))


def _held(memory: sqlite3.Connection, people: list[str]) -> dict[str, FileState]:
    by_key = {addresses.key_of(address): address for address in people}
    query = "SELECT key, meaning, cell FROM held WHERE key IN (SELECT value FROM json_each(?))"
    rows = memory.execute(query, (json.dumps(list(by_key)),))
    return {by_key[key]: FileState(meaning, cell) for key, meaning, cell in rows}


def _lines(path: Path) -> Iterator[CsvRow]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter=_delimiter(file), strict=True)
            headers = next(rows, [])
            names = [_name(header) for header in headers]
            if "email" not in names:
                raise BadPeople([f"{path}:1: has no column named email; the first line names the columns"])
            email, zone = names.index("email"), names.index("time_zone") if "time_zone" in names else len(names)
            states = StateColumns(headers, path.name)
            for row in (each for each in rows if "".join(each).strip()):  # spreadsheets write cleared rows as ,,,
                yield CsvRow(rows.line_num, _cell(row, email), _cell(row, zone) or None, states.of(row))
    except OSError as error:
        raise BadPeople([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise BadPeople([f"{path}: is not UTF-8 text; save it as UTF-8"]) from None
    except csv.Error as error:
        raise BadPeople([f"{path}:{rows.line_num}: is no valid CSV: {error}"]) from None


def _delimiter(file: TextIO) -> str:
    """What stands between the cells: spreadsheets write semicolons where numbers have decimal commas, others tabs."""
    header = file.readline(10_000)
    file.seek(0)
    named = {each: next(csv.reader([header], delimiter=each), []) for each in ",;\t"}
    return next((each for each, names in named.items() if "email" in map(_name, names)), ",")


def _name(header: str) -> str:
    return header.strip().lower()


def _cell(row: list[str], at: int) -> str:
    return row[at].strip() if at < len(row) else ""


def save(file: TextIO, on_page: Progress = int) -> int:
    """Write everybody who has an address, in pages, and why somebody may not be mailed. Returns how many."""
    written, last = 0, 0
    rows = csv.writer(file)
    rows.writerow(("email", "state", "time_zone", "confirmed_at", "suppressed"))
    while True:
        with reading() as session:
            page = subscribers.page(session, last, PAGE)
            reasons = suppressions.reasons(session, [each.address for each in page if each.address])
        if not page:
            return written
        rows.writerows(_row(each, reasons) for each in page)
        written, last = written + len(page), page[-1].id
        on_page(len(page))


def _row(each: Subscriber, reasons: Mapping[str, str]) -> tuple[str, ...]:
    confirmed = each.confirmed_at.isoformat(timespec="seconds") if each.confirmed_at else ""
    address = each.address or ""
    return address, each.state, each.time_zone or "", confirmed, reasons.get(address, "")
