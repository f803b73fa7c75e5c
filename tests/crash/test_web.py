"""The web is killed while readers vote and subscribe: every vote and sign-up that it answered is stored."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.deployment import Deployment
from tests.crash.harm import kill_the_web
from tests.crash.processes import until
from tests.crash.readers import Readers, counted_twice, proof
from tests.crash.scene import Scene


@pytest.fixture
def deployment(scene: Scene, tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(tmp_path, scene.environment)
    try:
        made.start_web()
        yield made
    finally:
        made.close()


# On PostgreSQL the two web processes write at the same moment, on SQLite by turns.
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_what_a_reader_was_answered_stands_whenever_the_web_is_killed(scene: Scene, deployment, catalogue):
    for role in ("fold", "work", "send"):
        scene.fork(role)
    with Readers(deployment.port, ["quillmate", "inkwell", "patchbay"]) as readers:
        kill_the_web(deployment, readers, random.Random(5), 2, answers=60)
    assert readers.faults == []
    assert readers.answered > 100
    assert readers.lost() == []
    until(lambda: not proof().dirty, "the last vote's count")
    assert proof().faults == ()
    assert counted_twice() == 0
    until(lambda: readers.told() <= {to for to, _ in scene.mail.letters()}, "a confirm letter to each of them")
    assert max(Counter(to for to, _ in scene.mail.letters()).values()) == 1
