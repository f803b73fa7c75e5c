"""Starts, stops and kills the processes of a crash test by their ids, and leaves none behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from worker.redis import end_with_parent

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds after which a condition that does not come is a failure."""
STAGE_PATIENCE = 20.0
"""The same for a child to reach its stage. It is shorter, so that a stage that no code reaches any more fails soon."""


def until(holds: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait until `holds` returns something true, and return that. It is asked less and less often, as it may cost as
    much as what it waits for."""
    end, pause = time.monotonic() + patience, 0.005
    while not (found := holds()):
        assert time.monotonic() < end, f"waited {patience:.0f} s in vain for {what}"
        time.sleep(pause)
        pause = min(pause * 1.3, 0.1)
    return found


def python(module: str, *given: str, log: Path, within: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """`within` are words before the command, such as those that let it run in another namespace."""
    with open(log, "ab") as file:
        return subprocess.Popen(
            [*within, sys.executable, "-m", module, *given],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, preexec_fn=end_with_parent,
        )  # fmt: skip


class Talk:
    """A child process that reads orders as lines of JSON and answers each with a line."""

    def __init__(self, module: str, *given: str, log: Path, within: Sequence[str] = ()) -> None:
        self.process = python(module, *given, log=log, within=within)
        self._lock = threading.Lock()

    def hear(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().decode().strip()

    def ask(self, **order: Any) -> str:
        with self._lock:
            self.tell(**order)
            return self.hear()

    def tell(self, **order: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


class MailServer:
    """The recorder, its record, and its port, which it keeps when it is started again."""

    def __init__(self, folder: Path, address: str = "127.0.0.1", within: Sequence[str] = ()) -> None:
        self.record, self._log = folder / "letters.txt", folder / "recorder.log"
        self._address, self._within = address, within
        self.record.touch()
        self.port = 0
        self._talk: Talk | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"smtp://{self._address}:{self.port}"

    def start(self) -> None:
        given = str(self.port), str(self.record), self._address
        self._talk = Talk("tests.crash.recorder", *given, log=self._log, within=self._within)
        self.port = int(self._talk.hear().removeprefix("port "))

    def kill(self) -> None:
        if self._talk:
            self._talk.kill()

    def order(self, **order: Any) -> None:
        """Send an order to the recorder (see Recorder.obey) and wait for its `ok`. Lines that begin with `at` are
        skipped: they report held connections."""
        assert self._talk
        self._talk.tell(**order)
        while self._talk.hear() != "ok":
            pass

    def wait_for_held(self, stage: str) -> None:
        assert self._talk
        assert self._talk.hear() == f"at {stage}"

    def letters(self) -> list[tuple[str, str]]:
        """The recipient and the Message-ID of each accepted letter, in the order in which they arrived."""
        return [(line[0], line[1]) for line in self._lines()]

    def times(self) -> list[tuple[str, float]]:
        """The recipient of each accepted letter, and when it was accepted (seconds since 1970)."""
        return [(line[0], float(line[3])) for line in self._lines()]

    def by_host(self) -> list[tuple[str, float]]:
        """The address of the host from which each accepted letter came, and when it was accepted."""
        return [(line[4], float(line[3])) for line in self._lines()]

    def _lines(self) -> list[list[str]]:
        whole = self.record.read_text().rpartition("\n")[0]
        return [line.split() for line in whole.splitlines()]

    def doubled(self) -> dict[str, int]:
        times = Counter(to for to, _ in self.letters())
        return {to: number for to, number in times.items() if number > 1}


class Child:
    """A forked process, and the stage at which it waits if it was given one."""

    def __init__(self, nursery: "Nursery", number: int, gate: socket.socket | None) -> None:
        self.id, self._nursery, self._gate = number, nursery, gate
        self._held: socket.socket | None = None

    def wait_for_stage(self, patience: float = STAGE_PATIENCE) -> None:
        if not self.reaches_stage(lambda: False, patience):
            raise AssertionError(f"waited {patience:.0f} s in vain for child {self.id} at its stage")

    def reaches_stage(self, over: Callable[[], bool], patience: float = STAGE_PATIENCE) -> bool:
        """Wait until the child stands at its stage. False when `over` came true first, or after `patience` seconds."""
        assert self._gate
        self._gate.settimeout(0.5)
        end = time.monotonic() + patience
        while self._held is None:
            last = over() or time.monotonic() > end
            try:
                self._held = self._gate.accept()[0]
            except TimeoutError:
                if last:
                    return False
        return True

    def go_on(self) -> None:
        assert self._held
        self._held.sendall(b".")

    def stop(self) -> None:
        os.kill(self.id, signal.SIGSTOP)

    def wake(self) -> None:
        os.kill(self.id, signal.SIGCONT)

    def kill(self) -> None:
        self._nursery.end(self)

    def forget(self) -> None:
        for held in (self._held, self._gate):
            if held:
                held.close()


class Nursery:
    """The process that forks the children (tests/crash/nursery.py). Closing it kills them all."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "children.log"
        self._talk = Talk("tests.crash.nursery", str(self.log), log=self.log)
        assert self._talk.hear() == "ready", self.log.read_text()
        self.children: list[Child] = []

    def fork(self, role: str, environment: dict[str, str], stage: str | None = None, passing: int = 1) -> Child:
        """A process in that role, which waits at the n-th passing of a stage if one is named."""
        listener = socket.create_server(("127.0.0.1", 0)) if stage else None
        gate = listener and {"stage": stage, "passing": passing, "port": listener.getsockname()[1]}
        number = self._talk.ask(do="fork", role=role, environment=environment, gate=gate)
        child = Child(self, int(number), listener)
        self.children.append(child)
        return child

    def end(self, child: Child) -> None:
        """Kill it, and wait until it is gone."""
        if child in self.children:
            self.children.remove(child)
            self._talk.ask(do="end", child=child.id)
            child.forget()

    def said(self, words: str) -> int:
        """How often children have said that in their log."""
        return self.log.read_text().count(words)

    def end_all(self) -> None:
        for child in list(self.children):
            self.end(child)

    def close(self) -> None:
        self.end_all()
        self._talk.kill()
