"""The audit: written with the order itself, and never changed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.operators import audit
from db.operators.audit import Actor, AuditEntry
from db.session import reading, writing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_an_entry_says_who_did_what_to_which_rows_and_why(database):
    with writing() as s:
        audit.record(
            s, Actor("mara@verdicts.example", "192.0.2.7"), "jobs.retry", NOW, chosen_by={"kind": "Confirmed"},
            ids=[9, 4, 5, 3, 4], before={"state": "dead"}, after={"state": "pending"}, note="mended",
        )  # fmt: skip
    with reading() as s:
        kept = s.get_one(AuditEntry, 1)
        assert (kept.actor, kept.ip, kept.action) == ("mara@verdicts.example", "192.0.2.7", "jobs.retry")
        assert (kept.count, kept.affected, kept.chosen_by) == (4, "3-5,9", {"kind": "Confirmed"})
        assert (kept.before, kept.after, kept.note) == ({"state": "dead"}, {"state": "pending"}, "mended")


@pytest.mark.parametrize("order", ["UPDATE audit SET note = 'never'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_or_delete_an_entry(database, order):
    with writing() as s:
        audit.record(s, Actor("command: mara"), "digest.hold", NOW, about="digest 2026-W47")
    with pytest.raises(DBAPIError, match="append-only"), writing() as s:
        s.execute(text(order))
    with reading() as s:
        assert s.get_one(AuditEntry, 1).note is None


def test_an_order_that_fails_leaves_no_entry(database):
    with pytest.raises(DBAPIError), writing() as s:
        audit.record(s, Actor("command: mara"), "digest.hold", NOW).action = None
    with reading() as s:
        assert s.get(AuditEntry, 1) is None


@given(st.sets(st.integers(1, 60)))
def test_ranges_name_exactly_the_rows(ids):
    said = audit.ranges(sorted(ids))
    ends = [[int(end) for end in part.split("-")] for part in said.split(",") if part]
    assert {each for end in ends for each in range(end[0], end[-1] + 1)} == ids
