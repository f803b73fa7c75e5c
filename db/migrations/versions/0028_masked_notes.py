"""Addresses that audit entries quote are masked, and jobs mask those of erased people everywhere else"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

from db import moments
from db.masking import masked_fields
from db.migrations import steps

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
release = "0.5.0"
oldest = "0.1.0"
touches = ("audit", "suppressions")

AUDIT = sa.table(
    "audit", sa.column("id"), sa.column("at", sa.DateTime(timezone=True)), sa.column("actor"), sa.column("action"),
    sa.column("about"), sa.column("count"), sa.column("note"),
    *(sa.column(name, sa.JSON(none_as_null=True)) for name in ("chosen_by", "before", "after")),
)  # fmt: skip
JOBS = sa.table(
    "jobs", sa.column("id"), sa.column("kind"), sa.column("payload", sa.JSON), sa.column("state"), sa.column("attempt"),
    sa.column("allowed"), sa.column("run_after", sa.DateTime(timezone=True)), sa.column("trigger"),
    sa.column("created_at", sa.DateTime(timezone=True)),
)  # fmt: skip
FIELDS = ("chosen_by", "before", "after")
TEXTS = ("about", "note", *FIELDS)
PEOPLE = 5_000
"""How many erased people one job looks for."""


def upgrade() -> None:
    """The audit log is append-only, so it is masked here; its triggers are off for the length of a page's transaction.

    Other tables are searched by the job that every erasure owes since this release, beside whoever is at work.
    """
    if op.get_bind().dialect.name == "sqlite":
        _mask()
    else:
        with op.get_context().autocommit_block():
            _mask()
    _owe()


def _mask() -> None:
    entries = 0
    for rows in steps.pages("audit", TEXTS):
        masked = [(row.id, values) for row in rows if (values := _masked(row))]
        if masked:
            with _changeable():
                for number, values in masked:
                    op.get_bind().execute(sa.update(AUDIT).where(AUDIT.c.id == number).values(values))
                entries += len(masked)
    if entries:
        said = {"at": moments.now().replace(microsecond=0), "actor": "command: db upgrade", "action": "people.mask"}
        note = (
            "Addresses in earlier entries are masked: what was written about somebody must not outlast their erasure."
        )
        op.get_bind().execute(sa.insert(AUDIT).values(**said, about="audit", count=entries, note=note))


def _masked(row: Any) -> dict[str, Any]:
    """The texts of an entry that change; an operator's own address names their account and stays."""
    kept = {name: getattr(row, name) for name in TEXTS}
    for name in FIELDS:  # which come as text from SQLite
        kept[name] = json.loads(kept[name]) if isinstance(kept[name], str) else kept[name]
    if str(row.about or "").startswith("operator "):
        del kept["about"]
    return {name: new for name, value in kept.items() if (new := masked_fields(value)) != value}


@contextmanager
def _changeable() -> Iterator[None]:
    """On SQLite inside the revision's transaction, on PostgreSQL in one of its own."""
    run = op.get_bind().exec_driver_sql
    if op.get_bind().dialect.name == "sqlite":
        run("DROP TRIGGER IF EXISTS audit_keeps_update")
        yield
        run(
            "CREATE TRIGGER audit_keeps_update BEFORE UPDATE ON audit"
            " BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
        )
        return
    run("BEGIN")
    run("ALTER TABLE audit DISABLE TRIGGER audit_keeps")
    yield
    run("ALTER TABLE audit ENABLE TRIGGER audit_keeps")
    run("COMMIT")


def _owe() -> None:
    """Queue the search for everybody who was erased so far, known by keyed hash alone, and a new file without them."""
    bind = op.get_bind()
    if bind.scalar(sa.text("SELECT id FROM subscribers LIMIT 1")) is None:  # a new site has nobody to forget
        return
    hashes = list(bind.scalars(sa.text("SELECT address_hash FROM suppressions WHERE reason = 'erased'")))
    numbers = bind.scalars(sa.text("SELECT id FROM subscribers WHERE state = 'erased' ORDER BY id"))
    persons = [f"subscriber:{number}" for number in numbers] + [f"address:{each[:32]}" for each in hashes]
    for start in range(0, max(len(hashes), len(persons)), PEOPLE):
        some = slice(start, start + PEOPLE)
        _job("PersonsErased", {"hashes": hashes[some], "persons": persons[some]})
    _job("TracesMasked", {"at_once": True})


def _job(kind: str, payload: dict[str, Any]) -> None:
    now = moments.now()
    values = {"state": "pending", "attempt": 0, "allowed": 6, "trigger": "event", "run_after": now, "created_at": now}
    op.get_bind().execute(sa.insert(JOBS).values(kind=kind, payload=payload, **values))
