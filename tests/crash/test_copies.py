"""A back-up is made while real senders send; all are killed, and the copy takes over: nobody gets a letter twice."""

import time
from pathlib import Path

from click.testing import CliRunner
from sqlalchemy import create_engine, text, update
from sqlalchemy.engine import make_url

from db import guard, moments, signing_keys
from db.monitoring import heartbeats
from db.monitoring.heartbeats import Heartbeat
from db.session import reading
from tests.crash.deployment import Deployment
from tests.crash.processes import until
from tests.crash.scene import WINDOW, Scene
from web.cli import main

READERS = 300


def verdicts(*words: object) -> str:
    done = CliRunner().invoke(main, [str(each) for each in words])
    assert done.exit_code == 0, done.output
    return done.output


def running() -> list[heartbeats.Heartbeat]:
    with reading() as session:
        return heartbeats.running(session, moments.now())


def restored_amid(scene: Scene, folder: Path, setting) -> Deployment:
    """The processes of a site that was restored from a back-up taken amid a send, whose old processes were killed."""
    signing_keys.record()
    scene.readers(READERS)
    scene.freeze()
    old = Deployment(folder / "old", scene.environment | {"SEND_RATE": "150", "SEND_CONNECTIONS": "2"})
    try:
        old.start_sending(scene)
        until(lambda: len(scene.mail.letters()) > 50, "the first letters")
        verdicts("backup", folder / "copy")
        taken = len(scene.mail.letters())
        until(lambda: len(scene.mail.letters()) > taken + 50, "letters after the copy")
    finally:
        old.close()
        scene.nursery.end_all()
    scene.watcher.end()
    return restored(scene, folder, setting, "new")


def restored(scene: Scene, folder: Path, setting, name: str) -> Deployment:
    new = {"DATABASE_URL": f"sqlite:///{folder}/{name}.sqlite3"}
    setting(**new)
    verdicts("restore", folder / "copy")
    return Deployment(folder / name, scene.environment | new)


def let_them_look(scene: Scene, site: Deployment) -> None:
    """The site's sender looks for letters several times."""
    ringing = scene.fork("ring", REDIS_URL=site._redis.url, CRASH_BELL="mail")
    time.sleep(1.5)  # there is nothing to wait for: that nothing happens is what is seen
    ringing.kill()


def assert_silent(scene: Scene, site: Deployment) -> None:
    taken = len(scene.mail.letters())
    site.start("sender", "worker", "clock")
    until(lambda: {"sender", "worker", "clock"} <= {each.kind for each in running()}, "the restored site's processes")
    until(lambda: "sends nothing until somebody confirms it" in site.log("sender"), "the sender's first look")
    let_them_look(scene, site)
    assert len(scene.mail.letters()) == taken
    with reading() as session:
        assert guard.standing(session)
        assert session.scalar(text("SELECT count(*) FROM deliveries WHERE state = 'unknown'")) == 0


def test_the_copy_sends_nothing_more_without_the_old_database_and_exactly_the_rest_with_it(
    scene: Scene, database: str, tmp_path: Path, setting
):
    site = restored_amid(scene, tmp_path, setting)
    if not scene.on_postgresql:  # a restored site does not see which kind its old database was until it asks it
        sends_nothing_more(scene, site)
        site = restored(scene, tmp_path, setting, "again")
    try:
        assert_silent(scene, site)
        confirmed = CliRunner().invoke(main, ["restore", "confirm", "--old", database])
        if "still runs" in confirmed.output:
            let_the_old_one_count_as_gone(database)
            verdicts("restore", "confirm", "--old", database)
        scene.wait_until_nothing_is_owed()
        found = scene.reckon()
        assert not found.lost
        assert not found.doubled
        # What each of the old site's two connections had begun when it was killed, and nothing else.
        assert found.unknown <= 2 * WINDOW
        assert found.states["sent"] + found.unknown == READERS
    finally:
        site.close()


def sends_nothing_more(scene: Scene, site: Deployment) -> None:
    try:
        assert_silent(scene, site)
        taken = len(scene.mail.letters())
        assert "may have gone out" in verdicts("restore", "confirm")
        let_them_look(scene, site)
        assert len(scene.mail.letters()) == taken
        found = scene.reckon()
        assert not found.doubled
        assert set(found.states) == {"sent", "unknown"}
        assert scene.account().holds
    finally:
        site.close()


def let_the_old_one_count_as_gone(database: str) -> None:
    """As it does twenty seconds after its processes were killed."""
    long_ago = moments.now() - heartbeats.RUNNING
    address = make_url(database)
    made = create_engine(address.set(drivername="postgresql+psycopg") if "postgres" in address.drivername else address)
    with made.begin() as connection:
        connection.execute(update(Heartbeat).values(at=long_ago, alive_at=long_ago))
    made.dispose()
