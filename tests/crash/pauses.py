"""How long sending pauses after each kind of kill, under `verdicts up` with every setting at its default."""

import itertools
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from sqlalchemy import select, text

from db.deliveries.claiming.claims import Claim
from db.deliveries.deliveries import Delivery
from db.engine import engine
from db.session import reading
from db.settings import Settings, variable
from db.subscribers.subscribers import Subscriber
from tests.crash.deployment import answers, free_port
from tests.crash.processes import until
from tests.crash.scene import Scene
from worker.redis import end_with_parent, server_program

GOES_ON_WITHIN = 45.0
"""Seconds after any kill in which the mail server has to get the next letter, and the killed claim's other letters."""
SLOW = 0.02
"""Seconds that the mail server takes for a letter, so that sending a digest outlasts the observation."""
WATCHED = 25.0
"""Seconds to watch after a kill: two slices of a sender, since a lost wake-up shows only at the end of a slice."""
_START = 120.0
LINES = {"web": "gunicorn", "worker": "--queues votes,jobs", "sender": "--queues mail", "clock": " beat "}
"""The part of its command line by which each process of `verdicts up` is found."""
KINDS = (
    "sender's child", "sender", "web", "worker", "clock", "Redis, its data wiped", "mail server",
    "database connections",
)  # fmt: skip


def kinds() -> tuple[str, ...]:
    return KINDS if engine().dialect.name == "postgresql" else KINDS[:-1]


class House:
    """A running `verdicts up`, which keeps its processes alive itself."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._folder = scene, scene.folder / "house"
        self._folder.mkdir()
        self.port = free_port()
        ours = {variable(field) for field in Settings.model_fields}
        told = {name: scene.environment[name] for name in ("DATABASE_URL", "MAIL_URL", "SECRET_KEY")}
        environment = {name: value for name, value in os.environ.items() if name not in ours} | told
        with open(self._folder / "up.log", "wb") as log:
            self._up = psutil.Popen(
                [str(Path(sys.executable).with_name("verdicts")), "up"],
                env=environment | {"PORT": str(self.port), "PGAPPNAME": "house"},
                cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent,
            )  # fmt: skip

    def wait_for_start(self) -> None:
        until(lambda: answers(self.port), "the site", _START)
        until(lambda: self._process(LINES["sender"]).children(), "the sender", _START)

    def _process(self, words: str) -> psutil.Process:
        def found() -> psutil.Process | None:
            for each in self._up.children():
                try:
                    if words in " ".join([*each.cmdline(), ""]):
                        return each
                except psutil.NoSuchProcess:
                    continue
            return None

        process: psutil.Process = until(found, words)
        return process

    def kill(self, what: str) -> None:
        """Kill it with SIGKILL; all but the mail server is started again by `verdicts up`, or connects again."""
        if what == "sender's child":
            [child] = self._process(LINES["sender"]).children()
            _gone([child])
        elif what == "sender":
            sender = self._process(LINES["sender"])
            child = sender.children()
            _gone([sender])
            psutil.wait_procs(child, timeout=5)  # `verdicts up` ends this child once it notices that the parent is gone
        elif what == "mail server":
            self._scene.mail.kill()
            self._scene.mail.start()
            self._scene.mail.order(do="delay", seconds=SLOW)
        elif what == "database connections":
            with engine().connect() as connection:
                connection.execute(text(_CUT))
                connection.commit()
        elif what == "Redis, its data wiped":
            self._wipe_redis()
        else:
            _gone([self._process(LINES[what])])

    def _wipe_redis(self) -> None:
        self._up.suspend()  # otherwise it would start the next Redis while the files are being deleted
        self._process(Path(server_program()).name).kill()
        shutil.rmtree(self._folder / "var" / "redis")
        self._up.resume()

    def close(self) -> None:
        family = self._up.children(recursive=True)
        self._up.kill()
        self._up.wait()
        _gone(family)


_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'house'"


def _gone(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=10)


@contextmanager
def house(scene: Scene) -> Iterator[House]:
    made = House(scene)
    try:
        made.wait_for_start()
        yield made
    finally:
        made.close()


def never_begun() -> set[str]:
    """Addresses of letters that are claimed but beyond the claim's window, so certainly not begun. They are sent once
    the lease has lapsed."""
    with reading() as session:
        found = set()
        for claim, win in session.execute(select(Claim.id, Claim.win)).all():
            held = select(Delivery.person).where(Delivery.claim == claim, Delivery.state == "sending")
            people = session.scalars(held.order_by(Delivery.id)).all()[win:]
            numbers = [int(person.removeprefix("subscriber:")) for person in people]
            found |= set(session.scalars(select(Subscriber.address).where(Subscriber.id.in_(numbers))))
    return found


def pause_after(scene: Scene, lived_in: House, what: str, chance: random.Random) -> tuple[float, float]:
    """Kill a process while a digest is sent. Returns the longest pause between two letters, and the time until the
    killed sender's claimed letters had been sent by others."""
    before = len(scene.mail.times())
    until(lambda: len(scene.mail.times()) > before + 50, "letters", GOES_ON_WITHIN)
    time.sleep(chance.uniform(0, 1))
    killed = time.time()
    lived_in.kill(what)
    waiting = never_begun() if what.startswith("sender") else set()

    def settled() -> bool:
        taken = scene.mail.times()
        return waiting <= {to for to, _ in taken} and taken[-1][1] > killed + WATCHED

    until(settled, f"letters after the kill of the {what}", 2 * GOES_ON_WITHIN)
    taken = scene.mail.times()
    moments = [at for _, at in taken]
    pause = max(after - at for at, after in itertools.pairwise(moments) if after > killed)
    return pause, max((at - killed for to, at in taken if to in waiting), default=0.0)


def measured(scene: Scene, rounds: int, chance: random.Random) -> Iterator[tuple[str, float, float]]:
    """Do each kind of kill `rounds` times, each during a digest of its own. Yields what was killed, and pause_after()'s
    two times."""
    with house(scene) as lived_in:
        for what, _ in itertools.product(kinds(), range(rounds)):
            scene.freeze()
            scene.address()
            scene.mail.order(do="delay", seconds=SLOW)
            pause, others = pause_after(scene, lived_in, what, chance)
            scene.mail.order(do="delay", seconds=0)
            scene.wait_until_nothing_is_owed(4 * GOES_ON_WITHIN)
            yield what, pause, others
