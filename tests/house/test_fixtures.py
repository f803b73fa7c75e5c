"""The ground that the other tests stand on holds."""

import os
from datetime import UTC, datetime
from pathlib import Path

import redis
from sqlalchemy import text

from db.session import reading
from db.settings import settings


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
