"""`verdicts digest watch` in a terminal: how far a digest is, how fast it goes, and its end."""

import os
import pty
import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from db.deliveries import deliveries
from db.session import writing
from tests.claiming import NOW, make_digest
from tests.crash.processes import until
from tests.prepared import Command

COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Watched:
    """What the terminal was told so far."""

    def __init__(self, process: Command, terminal: int) -> None:
        self.process, self.told, self._terminal = process, "", terminal

    def shows(self, *patterns: str) -> bool:
        """Whether one line says all that."""
        try:
            self.told += os.read(self._terminal, 65536).decode()
        except BlockingIOError:
            pass
        except OSError:  # it has hung up
            self._terminal = -1
        lines = re.split(r"[\r\n]+", COLOURS.sub("", self.told))
        return any(all(re.search(each, line) for each in patterns) for line in lines)


@contextmanager
def watching() -> Iterator[Watched]:
    ours, terminal = pty.openpty()
    os.set_blocking(ours, False)
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
    process = Command(["verdicts", "digest", "watch", "2026-W47"], env=environment, stdout=terminal, stderr=terminal)
    os.close(terminal)
    try:
        yield Watched(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def send(number: int) -> None:
    with writing() as session:
        some = "SELECT id FROM deliveries WHERE state = 'pending' ORDER BY id LIMIT :number"
        session.execute(text(f"UPDATE deliveries SET state = 'sent' WHERE id IN ({some})"), {"number": number})


def test_progress_rate_and_the_time_left_until_the_digest_is_finished(sqlite):
    made = make_digest(200)
    send(40)
    with watching() as watched:
        until(lambda: watched.shows("2026-W47 sending", r"\b40/200", r"\b0/s"), "the start")
        send(80)
        on_its_way = ("2026-W47 sending", r"\b120/200", r"\b[1-9]\d*/s", r"\b0:0\d:\d\d")
        until(lambda: watched.shows(*on_its_way), "80 more letters, their rate and the time left")
        assert watched.process.poll() is None
        send(80)
        with writing() as session:
            deliveries.finish(session, made, NOW)
        until(lambda: watched.shows("^sent 200$"), "the account")
        assert watched.process.wait(20) == 0
        assert watched.shows("2026-W47 finished", "200/200")
        assert watched.shows("^state: finished$")
