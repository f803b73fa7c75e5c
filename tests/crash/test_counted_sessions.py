"""A host that sends opens no more sessions on PostgreSQL than it says, and gives back those without use."""

import psycopg
import pytest
from sqlalchemy.engine import make_url

from db.monitoring import sessions
from tests.crash.deployment import Deployment
from tests.crash.processes import until
from tests.crash.scene import Scene

CONNECTIONS = 6
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'the host'"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_sending_host_opens_what_it_says_and_gives_it_back(scene: Scene, tmp_path, setting):
    counts: list[int] = []
    address = make_url(scene.environment["DATABASE_URL"])
    named = address.update_query_dict({"application_name": "the host"}).render_as_string(hide_password=False)
    given = {"DATABASE_URL": named, "SEND_CONNECTIONS": str(CONNECTIONS)}
    deployment = Deployment(tmp_path, scene.environment | given)
    plain = address.set(drivername="postgresql").render_as_string(hide_password=False)

    def count() -> int:
        [number] = here.execute(OURS).fetchone()
        counts.append(number)
        return number

    with psycopg.connect(plain, autocommit=True) as here:
        try:
            scene.readers(300)
            scene.freeze()
            scene.address()
            scene.mail.order(do="delay", seconds=0.05)
            deployment.start_sending(scene)
            until(lambda: count() is None or len(scene.mail.letters()) == 300, "the last letter")
            scene.wait_until_nothing_is_owed()
            assert max(counts) >= CONNECTIONS, "each connection had one"
            most = sessions.of_processes({"worker": 2, "sender": 1, "clock": 1}, setting(SEND_CONNECTIONS=CONNECTIONS))
            assert max(counts) <= most
            # One each for two workers, the sender and the clock, and by chance a second one of a worker's.
            until(lambda: count() <= 5, "the idle ones to be given back")
        finally:
            deployment.close()
    scene.reckon().assert_exact(0)
