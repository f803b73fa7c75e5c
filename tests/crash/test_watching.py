"""The Watcher of the crash tests can fail a trial: when an account's numbers disagree, and when none was queried."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from db.deliveries import accounts
from tests.crash.processes import Nursery, until
from tests.crash.run import TRIALS, tried
from tests.crash.scene import SETTINGS, Scene, Watcher


@pytest.fixture
def watched(sqlite: str, setting, tmp_path: Path, nursery: Nursery) -> Scene:
    """A scene that the test itself ends."""
    setting(**SETTINGS)
    made = Scene(tmp_path, sqlite, nursery)
    made.readers(20)
    return made


@pytest.fixture
def digest(watched: Scene) -> None:
    """Add a digest that is being sent to the scene's readers."""
    watched.freeze()
    watched.address()


def fails(*_: object) -> None:
    raise ConnectionError("the database is gone")


@pytest.mark.usefixtures("digest")
def test_a_scene_that_was_watched_ends_well(watched: Scene):
    until(lambda: watched.watcher.samples, "the first look")
    watched.close()


@pytest.mark.usefixtures("digest")
def test_however_short_it_was_there_is_a_look_at_its_end(watched: Scene):
    looks = watched.watcher.samples
    watched.close()
    assert watched.watcher.samples > looks


@pytest.mark.usefixtures("digest")
def test_a_watcher_that_dies_fails_the_trial(watched: Scene, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(accounts, "account", fails)
        until(lambda: watched.watcher.faults, "the watcher's death")
    with pytest.raises(AssertionError, match="could not be asked: ConnectionError"):
        watched.close()


@pytest.mark.usefixtures("digest")
def test_an_account_that_is_off_fails_the_trial(watched: Scene, monkeypatch: pytest.MonkeyPatch):
    real = accounts.account
    monkeypatch.setattr(accounts, "account", lambda *given: replace(real(*given), rows=19))
    until(lambda: watched.watcher.faults, "a fault")
    with pytest.raises(AssertionError, match="rows=19"):
        watched.close()


@pytest.mark.usefixtures("digest")
def test_an_account_that_was_never_asked_fails_the_trial(watched: Scene, monkeypatch: pytest.MonkeyPatch):
    watched.watcher.end()
    monkeypatch.setattr(Watcher, "_look", lambda watcher: None)
    watched.watcher = Watcher()
    with pytest.raises(AssertionError, match="never asked"):
        watched.close()


def test_so_it_does_in_make_crash(watched: Scene):
    watched.watcher.end()
    watched.watcher.samples = 7  # queries during earlier trials
    sends = replace(TRIALS[0], harm=lambda scene, chance, most: (scene.fork("send"), most)[1])
    assert tried(watched, sends, 1, random.Random(1)).faults == [f"{sends.name}: the account was never asked"]
    watched.close()
