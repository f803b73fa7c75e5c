"""Which release this is, and whether the database belongs to an older one, to this one or to a later one."""

import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import String, inspect, text
from sqlalchemy.orm import Mapped, mapped_column

from db.engine import database_url, missing_file
from db.register import Plain
from db.rules import Refused
from db.session import Row, reading

RELEASE = "0.7.0"
"""The version of the whole product; the package takes it from here."""

VERSIONS = Path(__file__).parent / "migrations" / "versions"
REVISION = max(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))
"""The revision that this release needs. It is read once, when the process starts: an upgrade in place may put a later
release's files here while this process still runs."""

TRUSTED_SECONDS = 5.0
"""Seconds for which a process trusts a successful check before it reads the database's revision again."""


class SchemaRelease(Row):
    """The table's only row: each migration writes into it which release the database now belongs to, and the oldest
    release that may still run with it."""

    __tablename__ = "schema_release"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    release: Mapped[Plain] = mapped_column(String)
    revision: Mapped[Plain] = mapped_column(String)
    oldest: Mapped[Plain] = mapped_column(String)


class WrongSchema(Refused):
    """This release cannot use the database at its current revision; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The database's revision compared with this release's."""

    revision: str
    """"" for a database that was never set up."""
    release: str = ""
    oldest: str = ""
    missing: str = ""
    """SQLite's file, with its whole path, where there is none."""

    @property
    def answer(self) -> str:
        """`older`, `this` or `later`: revisions are numbered in the order in which they run."""
        return "this" if self.revision == REVISION else "older" if self.revision < REVISION else "later"

    @property
    def may_run(self) -> bool:
        """Whether this release may use the database."""
        if self.answer == "later":
            return bool(self.oldest) and _number(self.oldest) <= _number(RELEASE)
        return self.answer == "this"

    @property
    def told(self) -> str:
        """The comparison in one sentence, with what to do if this release cannot use the database."""
        if self.missing:
            return (
                f"The database is not set up: {self.missing} does not exist. Run this in the folder in which the site "
                "runs, or set DATABASE_URL. To make a new database there, run: verdicts db upgrade"
            )
        whose = f"release {self.release}" if self.release else "a later release"
        if self.answer == "this":
            return f"at this release ({RELEASE}, revision {REVISION})"
        if self.answer == "older":
            stands = f"stands at revision {self.revision}" if self.revision else "is not set up"
            return f"The database {stands}, and release {RELEASE} needs revision {REVISION}; run: verdicts db upgrade"
        if self.may_run:
            return f"of {whose} (revision {self.revision}), with which this release ({RELEASE}) may go on"
        return f"This database belongs to {whose}; start that release or restore the copy made before."


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".") if part.isdigit())


def standing() -> Standing:
    """Read the database's revision; it makes no database. Raises SQLAlchemy's errors if it does not answer."""
    if missing := missing_file():
        return Standing("", missing=str(missing.absolute()))
    with reading() as session:
        there = inspect(session.connection())
        if not there.has_table("alembic_version"):
            return Standing("")
        revision = str(session.scalar(text("SELECT max(version_num) FROM alembic_version")) or "")
        if revision <= REVISION or not there.has_table(SchemaRelease.__tablename__):
            return Standing(revision)
        row = session.get(SchemaRelease, 1)
        return Standing(revision, row.release, row.oldest) if row else Standing(revision)


_trusted: dict[str, float] = {}
"""Until when the last successful check of each database holds."""


def check() -> None:
    """Raise WrongSchema unless this release may work with the database. It queries at most once in TRUSTED_SECONDS."""
    url = database_url()
    if _trusted.get(url, 0.0) > time.monotonic():
        return
    found = standing()
    if not found.may_run:
        raise WrongSchema(found.told)
    _trusted[url] = time.monotonic() + TRUSTED_SECONDS


def forget() -> None:
    """Make the next check() query the database again, because a migration has changed it."""
    _trusted.clear()
