"""A command at a terminal of its own, and somebody who answers what it asks."""

import os
import pty
import re
import select
import time

from tests.prepared import Command

QUESTION = re.compile(rb"\[y/[nN]\]: $")
END_OF_INPUT = "\x04"
"""What the keys Ctrl and D send: no answer at all."""


def at_a_terminal(*words: str, answer: str = "", patience: float = 60) -> tuple[int, str]:
    """Run `verdicts` with these words, and answer its question. Returns its exit code and all that it printed."""
    ours, its_own = pty.openpty()
    environment = os.environ | {"TERM": "dumb"}
    started = Command(["verdicts", *words], stdin=its_own, stdout=its_own, stderr=its_own, env=environment)
    os.close(its_own)
    try:
        told = _read(ours, QUESTION, patience)
        if QUESTION.search(told):
            os.write(ours, answer.encode() if answer == END_OF_INPUT else f"{answer}\n".encode())
            told += _read(ours, None, patience)
        return started.wait(patience), told.decode().replace("\r\n", "\n")
    finally:
        started.kill()
        started.wait()
        os.close(ours)


def _read(terminal: int, until: re.Pattern[bytes] | None, patience: float) -> bytes:
    """What the command prints until it ends, or until it has printed this."""
    told, end = b"", time.monotonic() + patience
    while time.monotonic() < end and not (until and until.search(told)):
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            told += os.read(terminal, 4096)
        except OSError:  # Linux says EIO when the command has ended
            break
    return told
