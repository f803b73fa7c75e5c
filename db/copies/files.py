"""A back-up file: an SQLite file with the rows of every table, their checksums, and which release wrote it.

It is written beside its final name and gets that name only when it is whole and on the disk.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Table

from db.copies.databases import Sqlite, tables
from db.copies.values import Values, kind_of
from db.rules import Refused
from db.schema import RELEASE, REVISION

APPLICATION_ID = 0x56455244
"""`VERD`, in the place that SQLite's file format keeps for it."""
FORMAT = "1"
_AFFINITY = {"integer": "INTEGER", "boolean": "INTEGER", "float": "REAL", "bytes": "BLOB"}


@dataclass(frozen=True, slots=True)
class TableSum:
    """What a table holds: its rows, their checksum, and the highest id that it ever gave."""

    rows: int
    checksum: str
    last_id: int = 0


@dataclass(frozen=True, slots=True)
class Contents:
    """What a back-up says about itself."""

    copied_at: datetime
    release: str = RELEASE
    revision: str = REVISION
    sums: dict[str, TableSum] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.sums.values())


# ---- writing -----------------------------------------------------------------------------------------------


class NewFile(Sqlite):
    """A back-up that is being written."""

    def __init__(self, raw: sqlite3.Connection, path: Path) -> None:
        super().__init__(raw)
        self.path = path
        with _as_refused(path):
            raw.execute("PRAGMA journal_mode=OFF")  # a back-up that fails is removed, and needs no rollback
            raw.execute("PRAGMA synchronous=OFF")
            raw.execute(f"PRAGMA application_id={APPLICATION_ID}")
            raw.execute("BEGIN")
            for table in tables():
                raw.execute(f'CREATE TABLE "{table.name}" ({_columns(table)})')

    def write(self, table: Table, rows: Sequence[Values]) -> None:
        with _as_refused(self.path):
            super().write(table, rows)

    def say(self, contents: Contents) -> None:
        """Write what the back-up says about itself, which makes it whole."""
        words = {
            "format": FORMAT, "release": contents.release, "revision": contents.revision,
            "copied_at": contents.copied_at.isoformat(),
        }  # fmt: skip
        sums = [(name, each.rows, each.checksum, each.last_id) for name, each in contents.sums.items()]
        with _as_refused(self.path):
            self.raw.execute("CREATE TABLE backup (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
            self.raw.executemany("INSERT INTO backup VALUES (?, ?)", words.items())
            self.raw.execute(
                "CREATE TABLE backup_tables (name TEXT PRIMARY KEY, row_count INTEGER NOT NULL,"
                " checksum TEXT NOT NULL, last_id INTEGER NOT NULL)"
            )
            self.raw.executemany("INSERT INTO backup_tables VALUES (?, ?, ?, ?)", sums)
            self.raw.execute("COMMIT")


def _columns(table: Table) -> str:
    return ", ".join(f'"{each.name}" {_AFFINITY.get(kind_of(each), "TEXT")}' for each in table.columns)


@contextmanager
def new_file(path: Path) -> Iterator[NewFile]:
    """Write a back-up; it appears under its name at the end, or not at all. Raises Refused where it cannot."""
    if os.path.lexists(path):
        raise Refused(f"{path} exists already; name a file that does not.")
    part = path.with_name(f"{path.name}.part")
    descriptor = _taken(part, path)
    try:
        raw = sqlite3.connect(part, isolation_level=None)
        try:
            yield NewFile(raw, path)
        finally:
            raw.close()
        with _as_refused(path):
            os.fsync(descriptor)
            _name(part, path)
    finally:
        with suppress(OSError):
            part.unlink()
        os.close(descriptor)


def _taken(part: Path, path: Path) -> int:
    """The file to write to, empty and locked; one that a killed back-up left behind is used again."""
    with _as_refused(path):
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Refused(f"Another back-up is being written to {path}; wait for it, or name another file.") from None
    except OSError:
        pass  # a file system without locks: two back-ups at once would have to be given the same name
    os.fchmod(descriptor, 0o600)
    os.ftruncate(descriptor, 0)
    return descriptor


def _name(part: Path, path: Path) -> None:
    try:
        os.link(part, path)  # unlike a rename, it replaces nothing
    except FileExistsError:
        raise Refused(f"{path} was made by somebody else in the meantime; name another file.") from None
    except OSError:  # a file system without hard links
        part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _as_refused(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Refused(f"{path} cannot be written: {error}. Nothing is left of it.") from error
    except OSError as error:
        if not path.parent.is_dir():
            raise Refused(f"{path} cannot be written: the folder {path.parent} does not exist.") from None
        raise Refused(f"{path} cannot be written: {error.strerror}. Nothing is left of it.") from error


# ---- reading -----------------------------------------------------------------------------------------------


@contextmanager
def opened(path: Path) -> Iterator[tuple[Sqlite, Contents]]:
    """A back-up of this release that is whole, as far as the file itself can tell. Raises Refused for any other file.

    The checksums are compared while the rows are read.
    """
    try:
        raw = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise Refused(f"{path} cannot be opened: {_why_not(path, error)}.") from error
    try:
        yield Sqlite(raw), _contents(raw, path)
    except sqlite3.DatabaseError as error:
        raise Refused(f"{path} is damaged ({error}). Nothing was restored.") from error
    finally:
        raw.close()


def _why_not(path: Path, error: sqlite3.Error) -> str:
    if not path.exists():
        return "there is no such file"
    return "it is a folder" if path.is_dir() else str(error)


def _contents(raw: sqlite3.Connection, path: Path) -> Contents:
    try:
        [(magic,)] = raw.execute("PRAGMA application_id")
        there = raw.execute("SELECT count(*) FROM sqlite_master WHERE name IN ('backup', 'backup_tables')").fetchone()
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error) and not _begins_as_one(path):
            raise Refused(f"{path} is no back-up: it was not written by verdicts backup.") from None
        raise
    if magic != APPLICATION_ID:
        raise Refused(f"{path} is no back-up: it was not written by verdicts backup.")
    if there != (2,):
        raise Refused(f"{path} is not whole: its back-up did not end. Nothing was restored.")
    words = dict(raw.execute("SELECT name, value FROM backup"))
    if (words["format"], words["revision"]) != (FORMAT, REVISION):
        raise Refused(
            f"{path} is a back-up of release {words['release']} (revision {words['revision']}), and this is release "
            f"{RELEASE} (revision {REVISION}). Restore it with release {words['release']}; if that is the older one, "
            "run then with this one: verdicts db upgrade"
        )
    found = [each for (each,) in raw.execute("PRAGMA integrity_check(1)")]
    if found != ["ok"]:
        raise Refused(f"{path} is damaged ({found[0]}). Nothing was restored.")
    sums = {name: TableSum(*rest) for name, *rest in raw.execute("SELECT * FROM backup_tables")}
    return Contents(datetime.fromisoformat(words["copied_at"]), words["release"], words["revision"], sums)


def _begins_as_one(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"
