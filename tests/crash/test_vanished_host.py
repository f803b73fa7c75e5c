"""A host that vanishes amid a transaction, its packets lost without a word, keeps the others waiting for seconds."""

import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.crash.processes import until
from tests.lan import Lan, Server, can_be_made

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(not can_be_made(), reason="network namespaces need root and iproute2"),
]

CLAIMS = """
import threading, time
from sqlalchemy import text
from db.session import writing

def claim():
    with writing() as session:
        session.execute(text("UPDATE lock SET owner = 'the other host'"))
        print("held", flush=True)
        time.sleep(600)

for _ in range(12):
    threading.Thread(target=claim, daemon=True).start()
time.sleep(600)
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    made = Lan()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(lan: Lan) -> Iterator[Server]:
    made = Server(lan.address)
    yield made
    made.close()


def test_locks_of_a_host_that_vanished_are_free_after_seconds_though_eleven_more_of_its_sessions_wait(lan, server):
    with psycopg.connect(server.url, autocommit=True) as here:
        here.execute("CREATE TABLE lock (owner text)")
        here.execute("INSERT INTO lock VALUES ('nobody')")
        other = lan.python(CLAIMS, DATABASE_URL=server.url)
        try:
            until(lambda: here.execute(WAITING).fetchone() == (11,), "eleven that wait for one")
            lan.cut()
            began = time.monotonic()
            here.execute("SET lock_timeout = '60s'")
            here.execute("UPDATE lock SET owner = 'this host'")
            assert (
                time.monotonic() - began < 20
            )  # 9, where the machine has time; without our settings, a quarter of an hour
        finally:
            lan.join()
            other.kill()
            other.wait()
