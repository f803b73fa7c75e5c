"""The version of everything that readers' pages are made of: catalog, tallies, and which digests went out.

Triggers of the database (revisions 0025 and 0030) change it in the transaction that changes such a row, whichever
release or person does so. It is random, so that a restored database never has one that somebody remembers from before.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.digests.catalog import Comparison
from db.register import Plain
from db.session import Row

WATCHED = ("reviewers", "tools", "reviews", "comparisons", "tallies", "tally_days", "digests")
"""The tables with such triggers. A migration that makes one of them anew on SQLite has to make its triggers anew."""


class PageVersion(Row):
    """The table's only row."""

    __tablename__ = "page_version"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[Plain]
    tallies: Mapped[Plain] = mapped_column(server_default="first")
    """The part that changes with the tallies alone."""


class Standing(NamedTuple):
    """What pages are made of now: all but the tallies, and the tallies."""

    content: str
    tallies: str


def standing(session: Session, now: datetime) -> Standing:
    """The version, with the moment of the newest comparison that is published by now: that one comes by the clock."""
    newest = select(func.max(Comparison.publish_at)).where(Comparison.publish_at <= now).scalar_subquery()
    version, tallies, published = session.execute(select(PageVersion.version, PageVersion.tallies, newest)).one()
    return Standing(f"{version} {published}", tallies)
