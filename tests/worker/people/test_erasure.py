"""Forgotten means forgotten: after an erasure no table, no file and no letter holds the person, in any spelling."""

import random
from pathlib import Path

from sqlalchemy import text

from db import overwriting
from db.addresses import hashes_of
from db.deliveries import deliveries, tests_of_address
from db.digests import digests
from db.jobs import jobs
from db.operators import audit
from db.register import places
from db.session import reading, writing
from db.subscribers import suppressions
from db.tables import TABLES
from tests import filled
from tests.claiming import make_digest
from tests.erasing import DANA, erase, failed_attempts, on_sqlite, states, work
from tests.filled import STORED, ZELDA
from worker.people import forgetting


def test_nothing_of_zelda_is_left_in_any_column_that_can_hold_a_person(zelda, house: Path):
    with writing() as session:
        columns = filled.fill(session)
    assert {f"{place.table}.{place.column}" for place in columns} <= filled.in_tables()
    assert filled.in_files(house)
    erase()
    work()
    assert filled.in_tables() == set()
    assert filled.in_files(house) == []
    assert failed_attempts() == 0
    with reading() as session:
        kept = suppressions.get(session, hashes_of(STORED)[0])
        assert (kept.reason, kept.note) == ("erased", None)
        entry = session.execute(text("SELECT actor, note FROM audit WHERE action = 'people.erase'")).one()
    assert entry.actor == DANA.name
    assert entry.note.startswith("She asked from z…@")


def test_what_is_audited_is_masked_when_it_is_written(database, clock):
    fields = {"said": [filled.QUOTED], ZELDA: STORED}
    with writing() as session:
        audit.record(session, DANA, "people.any", clock.now, about=f"file {filled.QUOTED}", chosen_by=fields,
                     before=fields, after=fields, note=filled.QUOTED)  # fmt: skip
    assert filled.in_tables() == set()
    with reading() as session:
        entry = session.execute(text("SELECT * FROM audit")).mappings().one()
    for place in places(TABLES):
        if place.table == "audit" and place.word == "free text":
            assert entry[place.column], f"audit.record masks {place.column}"
    assert entry["note"].startswith("550 5.1.1 who is <z…@")


# ---- every way of being forgotten ----------------------------------------------------------------------------


def test_a_sign_up_that_nobody_confirmed_leaves_as_little(zelda, house: Path, clock):
    with writing() as session:
        filled.fill(session)
        session.execute(text("UPDATE subscribers SET state = 'pending'"))
        session.execute(text("DELETE FROM test_letters"))  # an operator's, whoever the address belongs to
    clock.forward(days=14)
    forgetting.forget()
    work()
    assert filled.in_tables() == set()
    assert not (house / "outbox/new/confirm-1").exists()
    assert [file for file in filled.in_files(house) if "-wal" in file] == []
    clock.forward(days=1)  # the night
    work()
    assert set(states()) == {"succeeded"}
    assert filled.in_files(house) == []


def test_somebody_who_only_got_test_letters_leaves_as_little(database, house: Path, clock):
    with writing() as session:
        words = {"subject": "S", "preheader": "P", "html": "H", "text": "T"}
        asked = digests.TestLetter(digest_id=make_digest(1), address=STORED, asked_at=clock.now, **words)
        session.add(asked)
        session.flush()
        deliveries.owe(session, "test", asked.id, tests_of_address.person_of(STORED), clock.now)
        session.execute(text("UPDATE deliveries SET reply = :said WHERE letter = 'test'"), {"said": filled.QUOTED})
    erase()
    work()
    assert filled.in_tables() == set()


# ---- the files of SQLite -------------------------------------------------------------------------------------


@on_sqlite
def test_a_large_file_is_rebuilt_in_the_night(zelda, house: Path, clock, monkeypatch, setting):
    monkeypatch.setattr("worker.people.erasure.LARGE", 1)
    setting(DIGEST_TIMEZONE="Europe/Berlin")
    erase()
    work()
    with reading() as session:
        [waiting] = jobs.listed(session, ["pending"])
    assert (waiting.kind, waiting.run_after.hour) == ("TracesMasked", 2)  # 03:00 in Berlin
    clock.forward(days=1)
    work()
    assert set(states()) == {"succeeded"}
    assert filled.in_files(house) == []


def test_cells_that_sqlite_moved_leave_no_copies_behind(sqlite, house: Path, clock):
    """Without rebuilding, copies of moved cells stay in unused parts of pages; secure_delete does not reach them."""
    with writing() as session:
        order = list(range(3000))
        random.Random(7).shuffle(order)
        rows = [{"id": n + 1, "a": f"Zelda{n:04}@reader.example", "k": f"zelda{n:04}@reader.example"} for n in order]
        columns, values = "id, address, address_key, state, created_at", ":id, :a, :k, 'active', '2026'"
        session.execute(text(f"INSERT INTO subscribers ({columns}) VALUES ({values})"), rows)
        session.execute(text("UPDATE subscribers SET address = NULL, address_key = NULL, state = 'erased'"))
    assert overwriting.empty_log()
    assert filled.in_files(house), "else rebuilding is not needed"
    overwriting.rebuild()
    assert overwriting.empty_log()
    assert filled.in_files(house) == []
