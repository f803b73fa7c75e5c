"""A digest from end to end: the Procfile's sender, Redis and PostgreSQL, beside the usual tutorial's newsletter.

`python -m tests.bench.whole` prints the letters a second of both, RSA-signed, on the same machine in the same run.
"""

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import redis
from honcho.environ import parse_procfile
from sqlalchemy import func, select

from db.deliveries import accounts
from db.deliveries.deliveries import Delivery
from db.digests import digests
from db.session import reading
from db.settings import settings
from tests.bench import servers
from tests.bench.sender import SLOT, prepare, sign_with
from tests.bench.voting import ROOT, cpu
from tests.bench.wire import Reached, told
from worker import bell
from worker.redis import EmbeddedRedis, end_with_parent

LETTERS_A_SECOND = 700
CONNECTIONS = (1, 2)
TIMES_THE_TUTORIAL = 10


@contextmanager
def worker(words: list[str], log: Path) -> Iterator[psutil.Process]:
    """A Celery worker whose pool stands."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with open(log, "ab") as said:
        process = subprocess.Popen(
            words, env=environment, stdout=said, stderr=said, preexec_fn=end_with_parent, cwd=ROOT
        )
    watched = psutil.Process(process.pid)
    try:
        end = time.monotonic() + 60
        while not watched.children():
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"the worker does not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        time.sleep(1)
        yield watched
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def sender(folder: Path) -> Iterator[psutil.Process]:
    """The sender, as the Procfile starts it."""
    line = parse_procfile((ROOT / "Procfile").read_text()).processes["sender"]
    with worker(shlex.split(line), folder / "sender.log") as process:
        yield process


def use(**variables: object) -> None:
    """Settings for this process and those that it starts."""
    os.environ |= {name: str(value) for name, value in variables.items()}
    settings.cache_clear()


def wait_until_finished(patience: float) -> float:
    """When the last letter was settled, in seconds of the clock."""
    end = time.monotonic() + patience
    while True:
        with reading() as session:
            found = digests.get(session, SLOT)
        if found.state == "finished":
            break
        if time.monotonic() > end:
            sys.exit("the digest does not finish")
        time.sleep(0.2)
    with reading() as session:
        account = accounts.account(session, found)
        if not account.holds or account.states["sent"] != account.audience:
            sys.exit(f"not everybody got the letter: {account.states}")
        last = session.scalar(select(func.max(Delivery.settled_at)))
    assert last
    return last.timestamp()


def product(folder: Path, database: str, letters: int) -> tuple[float, float]:
    """(letters a second, µs of the sender's CPU a letter), from the bell to the last settlement."""
    use(DATABASE_URL=database)
    prepare(letters)
    with sender(folder) as process:
        before, began = cpu(process), datetime.now(UTC).timestamp()
        bell.publish("mail")
        took = wait_until_finished(600) - began
        return letters / took, (cpu(process) - before) / letters * 1e6


def tutorial(folder: Path, letters: int) -> float:
    """Letters a second of tests/bench/tutorial.py, from the first task's message to the last letter."""
    from tests.bench.tutorial import send

    options = "--queues celery --hostname tutorial@%h --concurrency 2 --loglevel WARNING"
    words = ["celery", "--quiet", "--app", "tests.bench.tutorial", "worker", *options.split()]
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as counter, worker(words, folder / "tutorial.log"):
        for number in range(letters + 20):
            if number == 20:  # the first ones compile the template
                _wait_for(counter, 20)
                counter.set("sent", 0)
                began = time.monotonic()
            send.delay(number)
        _wait_for(counter, letters)
        return letters / (time.monotonic() - began)


def _wait_for(counter: "redis.Redis", letters: int) -> None:
    end = time.monotonic() + 300
    while int(counter.get("sent") or 0) < letters:  # type: ignore[arg-type]
        if time.monotonic() > end:
            sys.exit("the tutorial's tasks do not end")
        time.sleep(0.01)


def run(folder: Path, letters: int, rounds: int) -> Reached:
    """Ours over one connection and over two, and the tutorial's, round by round; the medians."""
    ours: dict[int, list[tuple[float, float]]] = {each: [] for each in CONNECTIONS}
    theirs = []
    server = EmbeddedRedis(folder / "redis")
    server.start()
    try:
        with servers.taker(folder) as port, servers.postgresql() as fresh:
            use(MAIL_URL=f"smtp://127.0.0.1:{port}", MAIL_FROM="Verdicts <digest@verdicts.example>", SINK_PORT=port,
                REDIS_URL=server.url, SECRET_KEY="a key for measuring")  # fmt: skip
            sign_with("rsa", folder)
            for _ in range(rounds):
                for connections, found in ours.items():
                    use(SEND_CONNECTIONS=connections)
                    found.append(product(folder, fresh(), letters))
                theirs.append(tutorial(folder, max(100, letters // 40)))
    finally:
        server.stop()
    print(f"\nA digest from end to end, 58 KB, RSA-signed, PostgreSQL ({letters} letters, median of {rounds})")
    usual = ", ".join(f"{each:,.0f}" for each in theirs)
    print(f"  the usual tutorial     {statistics.median(theirs):7,.0f} a second, two processes ({usual})")
    reached: Reached = []
    for connections, found in ours.items():
        rate, cost = (statistics.median(each) for each in zip(*found, strict=True))
        ratio = statistics.median(each / other for (each, _), other in zip(found, theirs, strict=True))
        rounds_told = ", ".join(f"{each:,.0f}" for each, _ in found)
        how = f"over SEND_CONNECTIONS={connections}, {cost:,.0f} µs of its CPU a letter ({rounds_told})"
        print(f"  the Procfile's sender  {rate:7,.0f} a second {how}")
        over = f"over {connections} connection{'s' if connections > 1 else ''}"
        reached += [
            (f"{over} at least {LETTERS_A_SECOND} letters a second: {rate:.0f}", rate >= LETTERS_A_SECOND),
            (f"{over} at least {TIMES_THE_TUTORIAL} times the tutorial: {ratio:.1f}", ratio >= TIMES_THE_TUTORIAL),
        ]
    return reached


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # smtp-sink runs as nobody
        return told(run(folder, given.letters, given.rounds))


if __name__ == "__main__":
    sys.exit(main())
