"""Runs the processes of a Procfile: starts them, restarts those that die, and ends them all together.

Honcho reads the file. Its own manager is not used: it sends TERM to whole process groups, which ends a sender in the
middle of a letter, and it stops everything when one process dies.

`verdicts up` prepares the site and then becomes this program (`become`), which imports what the lines need and forks
them, so that they share that memory (docs/decisions/0028-forks-share-what-they-import.md). It has one thread: a fork
would find every lock held for ever that another thread held.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from db.parent_death import end_with_parent
from web import code_on_disk
from web.line_process import CAUGHT, LineProcess
from web.preloaded import Preloaded, ours
from web.relayed_lines import RelayedLines

PLAN = "VERDICTS_UP"
"""The environment variable in which `verdicts up` hands its plan over to the program that it becomes."""

TICK = 0.1
"""Seconds between two looks at the processes."""
TERM_SECONDS = 30
"""Longer than workers and senders take to end, at the most (worker/ending.py)."""
SHORT_LIFE_SECONDS = 10
PAUSE_SECONDS = 1.0
"""How long to wait before a restart, for each short life in a row."""
SHORT_LIVES = 4
"""After so many short lives in a row a process is not restarted."""


class Redis(NamedTuple):
    """A Redis server that `verdicts up` has started: its process, the command that starts it again, and the file that
    holds its address as long as it runs."""

    pid: int
    command: Sequence[str]
    address: str


class Plan(NamedTuple):
    """What to run, where the site answers, what to say once it does, and the lock to hold meanwhile."""

    commands: dict[str, str]
    host: str
    port: int
    welcome: Sequence[str]
    redis: Redis | None
    lock: int
    """The file descriptor of this folder's lock."""


def become(plan: Plan, environment: dict[str, str]) -> NoReturn:
    """Become the supervisor: the same process, and so the same lock and the same children, with a program that is
    small."""
    os.set_inheritable(plan.lock, True)
    sys.stdout.flush()
    sys.stderr.flush()
    # -P: a folder named `web` where the site runs is not ours.
    program = [sys.executable, "-P", "-m", "web.supervise", *sys.argv[1:]]
    os.execve(sys.executable, program, {**environment, PLAN: json.dumps(plan)})


def _handed_over() -> Plan:
    commands, host, port, welcome, redis, lock = json.loads(os.environ.pop(PLAN))
    return Plan(commands, host, port, welcome, Redis(*redis) if redis else None, lock)


class RedisServer:
    """The Redis server of this site, which is started again when it ends; nothing in it has to be kept."""

    def __init__(self, given: Redis) -> None:
        self.pid, self.command, self.address = given
        self._start_at = 0.0

    def keep_alive(self, say: Callable[[str], None]) -> None:
        if self._is_alive() or time.monotonic() < self._start_at:
            return
        say("redis ended; starting it again.")
        self._start_at = time.monotonic() + PAUSE_SECONDS
        self.pid = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=end_with_parent, umask=0o077,
        ).pid  # fmt: skip

    def _is_alive(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] == 0
        except ChildProcessError:  # its end was noticed before
            return False

    def stop(self) -> None:
        """End it with TERM, after ten seconds with KILL, and remove the file with its address."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._is_alive():
                os.kill(self.pid, number)
            end = time.monotonic() + 10
            while self._is_alive() and time.monotonic() < end:
                time.sleep(0.02)
        Path(self.address).unlink(missing_ok=True)


class ProcfileLine:
    """One Procfile line and the process that runs it just now."""

    def __init__(self, name: str, command: str) -> None:
        self.name = name
        self.line = command
        self.command = ours(command)
        self.short_lives = 0
        self.started = 0.0
        self.start_at = 0.0
        self.told = False
        """Whether the log already says that this process is not restarted."""
        self.process: LineProcess | None = None

    def start(self, environment: dict[str, str], forks: bool) -> LineProcess:
        self.started = time.monotonic()
        self.process = LineProcess(self.line, self.command, forks, environment)
        return self.process

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.signal(number)


class Supervisor:
    """The processes of one `verdicts up`."""

    def __init__(
        self,
        commands: dict[str, str],
        environment: dict[str, str],
        also: Callable[[], None],
        may_restart: Callable[[], bool] = lambda: True,
    ) -> None:
        """`also` is called ten times a second, to look after whatever else has to stay alive.

        `may_restart` is called before a restart: it is false once the code on disk is another release's.
        """
        self.lines = [ProcfileLine(name, command) for name, command in commands.items()]
        self.environment = environment
        self.also = also
        self.may_restart = may_restart
        self.stopping = False
        self._relayed = RelayedLines(commands, as_json=environment.get("LOG_FORMAT") == "json")

    def run(self) -> int:
        """Run until told to stop (0) or until a process cannot be kept alive (1)."""
        for number in CAUGHT:
            signal.signal(number, self._stop)
        try:
            self._preloaded = Preloaded(line.command for line in self.lines)
            for line in self.lines:
                self._start(line)
            while not self.stopping:
                self._relayed.wait(TICK)
                self.also()
                failed = next((line for line in self.lines if not self._kept_alive(line)), None)
                if failed:
                    self.say(f"{failed.name} keeps ending as soon as it starts; its own output is above.")
                    return 1
            return 0
        finally:
            self._end()

    def say(self, text: str) -> None:
        """Print a line of our own among those of the processes."""
        self._relayed.write("up", text)

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _start(self, line: ProcfileLine) -> None:
        process = line.start(self.environment, forks=self._preloaded.can_fork())
        self._relayed.follow(line.name, process.output)

    def _kept_alive(self, line: ProcfileLine) -> bool:
        """Restart the process if it has ended; False after too many short lives in a row."""
        now = time.monotonic()
        if line.process is not None:
            code = line.process.poll()
            if code is None:
                return True
            line.signal(signal.SIGKILL)  # children without their parent would hold the port or a claim
            line.process = None
            line.short_lives = line.short_lives + 1 if now - line.started < SHORT_LIFE_SECONDS else 0
            line.start_at = now + line.short_lives * PAUSE_SECONDS
            self.say(f"{line.name} ended ({_how(code)}).")
            line.told = False
        if not self.may_restart():
            if not line.told:
                self.say(code_on_disk.TOLD.format(what=f"{line.name} is"))
                line.told = True
            return True
        if line.short_lives >= SHORT_LIVES:
            return False
        if now >= line.start_at:
            self._start(line)
        return True

    def _end(self) -> None:
        self.say("Stopping; letters that are being sent are finished first.")
        for line in self.lines:
            line.signal(signal.SIGTERM)
        deadline = time.monotonic() + TERM_SECONDS
        while self._living() and time.monotonic() < deadline:
            self._relayed.wait(TICK)
        for line in self._living():
            self.say(f"{line.name} does not end; killing it.")
        for line in self.lines:
            line.signal(signal.SIGKILL)
        deadline = time.monotonic() + 2
        while (self._living() or self._relayed.follows()) and time.monotonic() < deadline:
            self._relayed.wait(TICK)

    def _living(self) -> list[ProcfileLine]:
        return [line for line in self.lines if line.process and line.process.poll() is None]


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


class Welcome:
    """Prints the site's address, once the site accepts connections."""

    def __init__(self, plan: Plan) -> None:
        self._address = plan.host, plan.port
        self._lines = plan.welcome

    def look(self, say: Callable[[str], None]) -> None:
        if self._lines and self._answers():
            for line in self._lines:
                say(line)
            self._lines = []

    def _answers(self) -> bool:
        try:
            socket.create_connection(self._address, timeout=0.2).close()
        except OSError:
            return False
        return True


def main() -> None:
    """Run what `verdicts up` has prepared."""
    plan = _handed_over()
    started_as = os.environ[code_on_disk.STARTED_AS]
    redis = RedisServer(plan.redis) if plan.redis else None

    welcome = Welcome(plan)

    def also() -> None:
        if redis:
            redis.keep_alive(supervisor.say)
        welcome.look(supervisor.say)

    supervisor = Supervisor(plan.commands, dict(os.environ), also, lambda: code_on_disk.fingerprint() == started_as)
    try:
        sys.exit(supervisor.run())
    finally:
        if redis:
            redis.stop()


if __name__ == "__main__":
    main()
