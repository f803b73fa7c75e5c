"""A back-up is made while real senders send; all are killed, and the copy takes over: nobody gets a letter twice."""

import time
from pathlib import Path

from click.testing import CliRunner
from sqlalchemy import text

from db import guard, moments, signing_keys
from db.monitoring import heartbeats
from db.session import reading
from tests.crash.deployment import Deployment
from tests.crash.processes import until
from tests.crash.scene import WINDOW, Scene
from web.cli import main

READERS = 500


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
    new = {"DATABASE_URL": f"sqlite:///{folder}/restored.sqlite3"}
    setting(**new)
    verdicts("restore", folder / "copy")
    return Deployment(folder / "new", scene.environment | new)


def assert_silent(scene: Scene, site: Deployment) -> None:
    """Let the restored site's processes look at the tables several times."""
    taken = len(scene.mail.letters())
    site.start("sender", "worker", "clock")
    until(lambda: {"sender", "worker", "clock"} <= {each.kind for each in running()}, "the restored site's processes")
    time.sleep(5)  # there is nothing to wait for: that nothing happens is what is seen
    assert len(scene.mail.letters()) == taken
    with reading() as session:
        assert guard.standing(session)
        assert session.scalar(text("SELECT count(*) FROM deliveries WHERE state = 'unknown'")) == 0
    assert "sends nothing until somebody confirms it" in site.log("sender")


def test_without_the_old_database_nothing_more_is_sent(scene: Scene, tmp_path: Path, setting):
    site = restored_amid(scene, tmp_path, setting)
    try:
        assert_silent(scene, site)
        taken = len(scene.mail.letters())
        assert "may have gone out" in verdicts("restore", "confirm")
        time.sleep(4)
        assert len(scene.mail.letters()) == taken
        found = scene.reckon()
        assert not found.doubled
        assert set(found.states) == {"sent", "unknown"}
        assert scene.account().holds
    finally:
        site.close()


def test_with_the_old_database_the_copy_sends_exactly_the_rest(scene: Scene, database, tmp_path: Path, setting):
    site = restored_amid(scene, tmp_path, setting)
    try:
        assert_silent(scene, site)
        until(lambda: "still runs" not in CliRunner().invoke(main, ["restore", "confirm", "--old", database]).output,
              "the old processes to count as gone", 40)  # fmt: skip
        scene.wait_until_nothing_is_owed()
        found = scene.reckon()
        assert not found.lost
        assert not found.doubled
        # What each of the old site's two connections had begun when it was killed, and nothing else.
        assert found.unknown <= 2 * WINDOW
        assert found.states["sent"] + found.unknown == READERS
    finally:
        site.close()
