"""The version of everything that readers' pages are made of: catalog, tallies, and which digests went out.

Triggers of the database change it in the transaction that changes such a row (revision 0025), whichever release or
person does so. It is random, so that a restored database never has one that somebody remembers from before.
"""

from datetime import datetime

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


def standing(session: Session, now: datetime) -> str:
    """The version, with the moment of the newest comparison that is published by now: that one comes by the clock."""
    newest = select(func.max(Comparison.publish_at)).where(Comparison.publish_at <= now).scalar_subquery()
    version, published = session.execute(select(PageVersion.version, newest)).one()
    return f"{version} {published}"
