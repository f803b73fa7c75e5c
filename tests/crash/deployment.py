"""Starts the processes of the Procfile and the Redis that they share, for tests that kill them one by one."""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from tests.crash.processes import ROOT, until
from tests.crash.scene import Scene
from tests.prepared import Command
from worker.redis import EmbeddedRedis, end_with_parent


def procfile() -> dict[str, str]:
    """The lines of the Procfile, by name."""
    lines = (line.partition(":") for line in (ROOT / "Procfile").read_text().splitlines() if ":" in line)
    return {name.strip(): command.strip() for name, _, command in lines}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int, address: str = "127.0.0.1") -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


class Deployment:
    """Redis and the Procfile's lines, for one scene; or the lines of a host `beside` another, with the same Redis.

    The lines run in forks of a process that has imported them (tests/prepared.py), unless the shell is to run them
    `as_they_stand`.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        beside: "Deployment | None" = None,
        *,
        as_they_stand: bool = False,
    ) -> None:
        self._folder, self._as_they_stand = folder, as_they_stand
        folder.mkdir(exist_ok=True)
        self._redis, self._owns_redis = (beside._redis if beside else EmbeddedRedis(folder / "redis")), beside is None
        if self._owns_redis:
            self._redis.start()
        self.port = free_port()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        given = {"REDIS_URL": self._redis.url, "PORT": str(self.port), "PATH": path}
        given["SIGNUPS_PER_NETWORK"] = "0"  # all readers of a scene come from here
        self._environment = os.environ | environment | given
        self._running: dict[str, subprocess.Popen[bytes] | Command] = {}

    def start_sending(self, scene: Scene) -> None:
        """Start all lines but the web, and publish wake-ups for the digests, as the clock does it only every fifteen
        seconds."""
        for name in ("sender", "worker", "clock"):
            self._start(name)
        until(lambda: self._children("sender") and self._children("worker"), "the workers' start")
        scene.fork("ring", REDIS_URL=self._redis.url)

    def start_sender(self, scene: Scene, *options: str) -> None:
        """Start the sender alone, with these options appended to its line, and publish wake-ups for its queue."""
        self._start("sender", *options)
        until(lambda: self._children("sender"), "the sender's start")
        scene.fork("ring", REDIS_URL=self._redis.url, CRASH_BELL="mail")

    def start(self, *names: str) -> None:
        """Start these lines as they stand in the Procfile."""
        for name in names:
            self._start(name)

    def start_hasty_clock(self) -> None:
        """Start the clock's line with the schedule of tests/crash/hasty_clock.py."""
        self._start("clock", application="tests.crash.hasty_clock")

    def start_web(self) -> None:
        self._start("web")
        until(lambda: answers(self.port), "the web's start")

    def kill(self, what: str) -> None:
        """Kill it and see to it that it runs again, as a supervisor would."""
        if what == "sender's child":
            for child in self._children("sender"):
                child.kill()  # Celery starts another in its place
        elif what == "web's child":
            for child in self._children("web")[:1]:
                child.kill()  # gunicorn starts another worker process too
        elif what == "redis and its data":
            self._wipe_redis()
        else:
            self._end(what)
            self._start(what)

    def terminate(self, name: str, patience: float) -> None:
        """Tell the line's process to end, as a supervisor does, and wait until it has; its children end with it."""
        process = self._running[name]
        process.terminate()
        process.wait(patience)
        until(lambda: not _group_lives(process.pid), f"the end of all that {name} had started")

    def keep_alive(self, name: str) -> None:
        """Start the line again if it has ended by itself, as a supervisor would."""
        if self._running[name].poll() is not None:
            self._end(name)
            self._start(name)

    def _start(self, name: str, *options: str, application: str = "worker.app") -> None:
        line = procfile()[name].replace("--app worker.app", f"--app {application}")
        with open(self._folder / f"{name}.log", "ab") as log:
            if not self._as_they_stand:
                self._running[name] = Command(
                    [*shlex.split(line), *options],
                    cwd=ROOT, env=self._environment, stdout=log.fileno(), stderr=log.fileno(), leads_a_group=True,
                )  # fmt: skip
                return
            self._running[name] = subprocess.Popen(
                ["/bin/sh", "-c", " ".join(["exec", line, *options])],
                cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=end_with_parent,
            )  # fmt: skip

    def _children(self, name: str) -> list[psutil.Process]:
        """The child processes of the line's process, without Python's multiprocessing resource tracker."""
        started = psutil.Process(self._running[name].pid).children()
        living = [child for child in started if child.status() != psutil.STATUS_ZOMBIE]
        return [child for child in living if "resource_tracker" not in " ".join(child.cmdline())]

    def _end(self, name: str) -> None:
        """Kill the line's processes, all at the same moment."""
        process = self._running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _wipe_redis(self) -> None:
        self.stop_redis()
        shutil.rmtree(self._redis.folder)
        self.start_redis()

    def stop_redis(self) -> None:
        assert self._redis._process
        self._redis._process.kill()
        self._redis._process.wait()

    def start_redis(self) -> None:
        """Start it again, on the same port."""
        before = self._redis.url
        self._redis.start()
        assert self._redis.url == before

    def close(self) -> None:
        for name in list(self._running):
            self._end(name)
        if self._owns_redis:
            self._redis.stop()

    def log(self, name: str) -> str:
        """What the line's processes have said."""
        return (self._folder / f"{name}.log").read_text()


def _group_lives(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True
