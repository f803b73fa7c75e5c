"""PostgreSQL allows few sessions: the connections that got one send, and nothing is lost or doubled."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db.engine import engine
from tests.crash import postgresql
from tests.crash.postgresql import Server
from tests.crash.processes import Nursery, until
from tests.crash.scene import SETTINGS, Scene

READERS, SLOW = 400, 0.1


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # One is the test's own, which asks the account all the time.
    with postgresql.server(max_connections=13, superuser_reserved_connections=0, max_wal_senders=0) as made:
        yield made


def test_two_hosts_that_want_more_sessions_than_there_are_send_with_those_that_they_got(
    server: Server, setting, tmp_path: Path, nursery: Nursery
):
    setting(**SETTINGS, DATABASE_URL=server.url)
    scene = Scene(tmp_path, server.url, nursery, SEND_CONNECTIONS="16", CRASH_CONNECTIONS="8")
    try:
        scene.readers(READERS)
        scene.freeze()
        scene.address()
        scene.mail.order(do="delay", seconds=SLOW)
        for _ in range(2):
            scene.fork("send")
        until(lambda: len(scene.mail.letters()) == READERS, "the last letter")
        scene.wait_until_nothing_is_owed()
        scene.reckon().assert_exact(0)
        assert nursery.said("too many clients") or nursery.said("remaining connection slots")
    finally:
        scene.close()
        engine().dispose()
