"""A command at a terminal of its own, and somebody who answers what it asks."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parents[1]


def at_a_terminal(*words: str, answer: str = "", patience: float = 60) -> tuple[int, str]:
    """Run `verdicts` with these words, and answer its question. Returns its exit code and all that it printed."""
    ours, its_own = pty.openpty()
    command = [sys.executable, "-c", "from web.cli import main; main(prog_name='verdicts')", *words]
    environment = os.environ | {"PYTHONPATH": str(HERE), "TERM": "dumb"}
    started = subprocess.Popen(command, stdin=its_own, stdout=its_own, stderr=its_own, env=environment)
    os.close(its_own)
    try:
        told = _read(ours, "[y/N]: ", patience)
        if told.endswith("[y/N]: "):
            os.write(ours, f"{answer}\n".encode())
            told += _read(ours, None, patience)
        return started.wait(patience), told.replace("\r\n", "\n")
    finally:
        started.kill()
        started.wait()
        os.close(ours)


def _read(terminal: int, until: str | None, patience: float) -> str:
    """What the command prints until it ends, or until it has printed this."""
    told, end = b"", time.monotonic() + patience
    while time.monotonic() < end and not (until and told.endswith(until.encode())):
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            told += os.read(terminal, 4096)
        except OSError:  # Linux says EIO when the command has ended
            break
    return told.decode()
