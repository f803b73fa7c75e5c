"""The mail server and a webhook's receiver hang while readers vote and read and a digest goes out: only those two wait.

The Procfile's processes run as they are.
"""

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from db import moments
from db.jobs.jobs import Job
from db.session import reading, writing
from db.webhooks.messages import PostWebhookMessage
from tests import hooks
from tests.crash.deployment import Deployment
from tests.crash.processes import until
from tests.crash.readers import Readers, proof
from tests.crash.scene import Scene
from tests.receivers import answering, hanging, receiving

SOON = 8.0
"""Seconds within which everything comes that does not wait for those two, also on a machine with much else to do."""


@pytest.fixture
def deployment(scene: Scene, tmp_path: Path, setting) -> Iterator[Deployment]:
    own = {"OUTSIDE_NETWORKS": "127.0.0.0/8", "SEND_CONNECTIONS": "2"}
    setting(**own)
    made = Deployment(tmp_path, scene.environment | own)
    yield made
    made.close()


def messages() -> list[Job]:
    with reading() as session:
        return list(session.scalars(select(Job).where(Job.kind == PostWebhookMessage.__name__).order_by(Job.id)))


def transactions_left_open() -> list[str]:
    """The last statements of sessions whose transaction has stood still for a second."""
    with reading() as session:
        query = text(
            "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'idle in transaction' AND now() - state_change > interval '1 second'"
        )
        return list(session.scalars(query))


def read_home(port: int) -> float:
    """How many seconds the page took."""
    began = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        assert answer.status == 200
        answer.read()
    return time.monotonic() - began


# PostgreSQL names each transaction that stands still; on SQLite, only one that writes would be felt.
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_while_both_hang_votes_are_counted_and_pages_served_and_then_all_arrives(scene: Scene, deployment, catalogue):
    scene.mail.order(do="hold", stage="greeting", times=1000)
    scene.readers(40)
    with receiving(hanging) as hung:
        hooks.add(hung.url())
        scene.freeze()
        deployment.start_web()
        deployment.start("worker", "sender", "outside", "clock")
        until(lambda: hung.heard, "a message to the receiver")
        scene.mail.wait_for_held("greeting")

        with Readers(deployment.port, ["quillmate", "inkwell", "patchbay"]) as readers:
            until(lambda: readers.answered > 60, "sixty votes and sign-ups")
            pages = [read_home(deployment.port) for _ in range(5)]
        until(lambda: not proof().dirty, "the last vote's count", SOON)
        assert (readers.faults, readers.lost(), proof().faults) == ([], [], ())
        assert max(pages) < SOON
        assert scene.mail.letters() == []
        assert messages()
        assert not any(each.state == "succeeded" for each in messages())
        # One that waited for another server would stand still until PostgreSQL ends it, after 15 seconds.
        until(lambda: transactions_left_open() == [], "the end of each transaction", SOON)

        scene.mail.order(do="go")
        scene.wait_until_nothing_is_owed()
        hung.script = answering()
        hung.go.set()
        until(all_taken, "the messages to the receiver")
        expected = {each.id for each in messages()}
    scene.reckon().assert_exact(0)
    assert len(expected) == len(messages())
    ids = [each.headers["webhook-id"] for each in hooks.heard(hung)]
    assert len(set(ids)) == len(expected), "a repeat has the id of its message"


def all_taken() -> bool:
    """Whether every message has arrived; back-offs are cut short."""
    found, now = messages(), moments.now()
    waiting = [each.id for each in found if each.state == "pending" and each.run_after > now]
    if waiting:
        with writing() as session:
            session.execute(update(Job).where(Job.id.in_(waiting), Job.state == "pending").values(run_after=now))
    return all(each.state == "succeeded" for each in found)
