"""Workers beside the database of another release: they wait, or end in words, and touch nothing."""

import threading

import pytest

from db import migrations, schema
from tests.schemas import belongs_to
from worker.processes import schema_gate
from worker.processes.looks import Looks
from worker.processes.schedule import entry_of


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(schema_gate, "_said", set())
    monkeypatch.setattr(schema_gate, "LOOK_AGAIN_SECONDS", 0.05)


def test_a_worker_waits_for_the_upgrade_with_one_line_and_then_starts(house):
    started = threading.Event()
    waiting = threading.Thread(target=lambda: (schema_gate.wait_for_schema(), started.set()))
    waiting.start()
    assert not started.wait(0.5)
    migrations.upgrade()
    assert started.wait(10)
    waiting.join()
    assert schema_gate._said == {line for line in schema_gate._said if "run: verdicts db upgrade" in line} != set()


def test_a_worker_ends_in_words_beside_a_later_release(sqlite):
    belongs_to("9.0.0", oldest="9.0.0")
    with pytest.raises(SystemExit, match=r"Error: This database belongs to release 9\.0\.0; start that release"):
        schema_gate.wait_for_schema()


def test_a_look_does_nothing_until_its_database_is_there_again(sqlite):
    done = []
    looks = Looks("worker", {entry_of("votes.fold"): lambda: done.append("worked")})
    [look] = looks.looks.values()
    belongs_to("9.0.0", oldest="9.0.0")
    for _ in range(2):
        looks.one(look)
    assert done == []
    assert len(schema_gate._said) == 1
    belongs_to("9.0.0", oldest=schema.RELEASE)
    looks.one(look)
    assert done == ["worked"]
