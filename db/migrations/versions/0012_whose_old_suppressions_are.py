"""Suppressions from before revision 0005 learn whose they are, so that the console lists them"""

import hmac
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from db.migrations import steps
from db.settings import settings

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
release = "0.2.0"
oldest = "0.1.0"
touches = ("subscribers", "suppressions")

FILL = sa.text("UPDATE suppressions SET subscriber_id = :id WHERE address_hash = :hash AND subscriber_id IS NULL")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _fill()
        return
    with op.get_context().autocommit_block():  # a page's rows are locked no longer than the page takes
        _fill()


def _fill() -> None:
    """The suppression list knows addresses by keyed hash alone: subscribers' addresses are hashed, page by page."""
    query = sa.text("SELECT address_hash FROM suppressions WHERE subscriber_id IS NULL")
    nobodys = set(op.get_bind().scalars(query))
    if not nobodys:
        return
    for rows in steps.pages("subscribers", ["address_key"]):
        found = [{"id": row.id, "hash": each} for row in rows for each in _hashes(row.address_key) if each in nobodys]
        if found:
            op.get_bind().execute(FILL, found)


def _hashes(address_key: str | None) -> Iterator[str]:
    if address_key is None:  # erased
        return
    for key in settings().keys:
        yield hmac.digest(key, b"address:" + address_key.encode(), "sha256").hex()
