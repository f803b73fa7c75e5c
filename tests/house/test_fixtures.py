"""The ground that the other tests stand on holds."""

import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from sqlalchemy import text

from db.session import reading
from db.settings import settings
from tests import conftest
from tests.conftest import leave_out, waiting_tests_first


def test_each_test_runs_in_a_folder_of_its_own(house):
    assert Path.cwd() == house
    assert os.listdir(house) == []
    assert settings().keys == (b"a key for tests",)


def test_the_database_is_migrated_and_empty(database):
    with reading() as s:
        assert s.scalar(text("SELECT count(*) FROM tools")) == 0


def test_the_catalogue_is_there_on_both_databases(catalogue):
    with reading() as s:
        assert s.scalar(text("SELECT slug FROM comparisons")) == catalogue.comparison


def test_redis_is_real_and_empty(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.set("left", "over")


def test_redis_is_empty_again(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_the_clock_stands_still_until_told(clock):
    assert datetime.now(UTC) == clock.now
    assert clock.forward(days=7).isocalendar().week == 48


# ---- the order of the tests -----------------------------------------------------------------------------------


class Item:
    """As much of a test as its order depends on."""

    def __init__(self, *markers: str) -> None:
        self.markers = markers

    def get_closest_marker(self, name: str) -> bool:
        return name in self.markers


@pytest.mark.parametrize(
    ("waiting", "computing", "processes"), [(98, 2060, 5), (98, 2060, 2), (7, 4, 3), (0, 5, 2), (5, 0, 4), (1, 1, 8)]
)
def test_all_processes_but_one_a_core_begin_with_their_share_of_the_tests_that_wait(
    waiting, computing, processes, monkeypatch
):
    monkeypatch.setattr(conftest, "cores", lambda: 2)
    busy = 2 if processes > 2 else 0
    given = [Item() for _ in range(computing)] + [Item("crash") for _ in range(waiting)]
    ordered = waiting_tests_first(list(given), processes)
    assert set(ordered) == set(given)
    assert len(ordered) == len(given)
    for process in range(processes) if computing > waiting else ():
        stretch = ordered[len(given) * process // processes : len(given) * (process + 1) // processes]
        kinds = [each.get_closest_marker("crash") for each in stretch]
        assert kinds == sorted(kinds, reverse=True)
        share = waiting // (processes - busy) if process >= busy else 0
        assert share <= sum(kinds) <= share + (process >= busy)


def test_what_needs_a_server_from_outside_is_run_by_make_drill_alone():
    told: list[object] = []
    given = [Item(), Item("outside")]
    config = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: told.extend(items)))
    kept = list(given)
    leave_out(config, kept, "outside")
    assert kept == given[:1]
    assert told == given[1:]
