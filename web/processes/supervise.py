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
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from web.processes import code_on_disk
from web.processes.line_process import CAUGHT
from web.processes.preloaded import Preloaded
from web.processes.procfile_line import ProcfileLine
from web.processes.redis_process import Redis, RedisProcess
from web.processes.relayed_lines import RelayedLines

PLAN = "VERDICTS_UP"
"""The environment variable in which `verdicts up` hands its plan over to the program that it becomes."""

TICK = 0.1
"""Seconds between two looks at the processes."""
TERM_SECONDS = 30
"""Longer than workers and senders take to end, at the most (worker/processes/ending.py)."""


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
    program = [sys.executable, "-P", "-m", "web.processes.supervise", *sys.argv[1:]]
    os.execve(sys.executable, program, {**environment, PLAN: json.dumps(plan)})


def _handed_over() -> Plan:
    commands, host, port, welcome, redis, lock = json.loads(os.environ.pop(PLAN))
    return Plan(commands, host, port, welcome, Redis(*redis) if redis else None, lock)


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

        `may_restart` is called before each start: it is false once the code on disk is another release's.
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
            while not self.stopping:
                self.also()
                failed = next((line for line in self.lines if not self._kept_alive(line)), None)
                if failed:
                    self.say(f"{failed.name} keeps ending as soon as it starts; its own output is above.")
                    return 1
                self._relayed.wait(TICK)
            return 0
        finally:
            self._end()

    def say(self, text: str) -> None:
        """Print a line of our own among those of the processes."""
        self._relayed.write("up", text)

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _kept_alive(self, line: ProcfileLine) -> bool:
        """Start the process if there is none, or if it has ended; False after too many short lives in a row."""
        if line.lives:
            return True
        if line.process is not None:
            self.say(line.clear_up())
        try:
            return self._started(line)
        except OSError as error:  # the machine may have room again in a while, and the other lines go on
            self.say(line.room.refused(line.name, error))
            return True

    def _started(self, line: ProcfileLine) -> bool:
        """Start its process as soon as that may be. Raises OSError when the machine has no room for one."""
        if not line.may_start:
            return True
        if not self.may_restart():
            if not line.told:
                self.say(code_on_disk.TOLD.format(what=f"{line.name} is"))
                line.told = True
            return True
        if line.is_hopeless:
            return False
        process = line.start(self.environment, forks=self._preloaded.can_fork())
        self._relayed.follow(line.name, process.output)
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
        return [line for line in self.lines if line.lives]


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
    redis = RedisProcess(plan.redis) if plan.redis else None

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
