"""Commands of the product in forks of a process that has imported them: a start costs 0.02 s of CPU, not 0.7.

`python -m tests.prepared FD` is the process. Each message on that socket is an order in JSON with four descriptors:
a socket to reply on, and the command's standard input, output and error.
"""

import atexit
import contextlib
import gc
import json
import os
import re
import runpy
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

from worker.redis import end_with_parent

ROOT = Path(__file__).parents[1]
REMAPPED = "SIGQUIT"
"""REMAP_SIGTERM in the Procfile. Celery reads it when it is imported, so the process has to start with it."""


class Command:
    """A running command, with those methods of subprocess.Popen that tests use. Its standard input is empty."""

    def __init__(
        self, words: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None,
        stdin: int | None = None, stdout: int | None = None, stderr: int | None = None, leads_a_group: bool = False,
    ) -> None:  # fmt: skip
        """`words` are `verdicts …`, `celery …`, `gunicorn …`, `python -c …` or `python -m …`. The process is forked
        from one that has imported this code, so `python -P -m web.line`, which sees to that, is left out."""
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        self._reply, theirs = socket.socketpair()
        order = {"words": _without_path(list(words)), "environment": dict(os.environ if env is None else env),
                 "folder": str(cwd or Path.cwd()), "group": leads_a_group}  # fmt: skip
        with contextlib.ExitStack() as stack:
            stack.enter_context(theirs)
            nothing = stack.enter_context(open(os.devnull, "r+b", buffering=0)).fileno()
            if stdout == subprocess.PIPE:
                reading, stdout = os.pipe()
                stack.callback(os.close, stdout)
                self.stdout = os.fdopen(reading)
            files = [stdin, stdout, stdout if stderr == subprocess.STDOUT else stderr]
            given = [theirs.fileno(), *(nothing if each is None else each for each in files)]
            _PREPARED.give(json.dumps(order).encode(), given)
        self.pid = _number(self._reply)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._reply.settimeout(timeout)
            try:
                self.returncode = _number(self._reply)
            except TimeoutError:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0) from None
            self._reply.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """All that it prints on a pipe, and nothing else."""
        assert self.stdout
        with self.stdout as told:
            said = told.read()
        self.wait(timeout)
        return said, None

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0.001)
        return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(*words: str, timeout: float = 60, **named: Any) -> subprocess.CompletedProcess[str]:
    """Run a command until it ends, as `subprocess.run` does with `capture_output=True, text=True`."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        command = Command(words, stdout=out.fileno(), stderr=err.fileno(), **named)
        try:
            code = command.wait(timeout)
        finally:
            command.kill()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(list(words), code, out.read(), err.read())


def _without_path(words: list[str]) -> list[str]:
    """These words without what lets a Procfile's line import from no working directory."""
    at = words.index("-P") if "-P" in words[:4] else None
    if at is None:
        return words
    after = words[at + 1 :]
    return words[: at - 1] + after[2:] if after[:2] == ["-m", "web.line"] else words[:at] + after


def _number(reply: socket.socket) -> int:
    """The next number that the command's keeper says; -9 if it was killed, since then the command ends too."""
    told = reply.recv(4)
    return int(struct.unpack("<i", told)[0]) if told else -signal.SIGKILL


class _Prepared:
    """The process that forks the commands; it starts with the first of them, and ends with this process."""

    def __init__(self) -> None:
        self._orders: socket.socket | None = None
        self._lock = threading.Lock()

    def give(self, order: bytes, files: Sequence[int]) -> None:
        with self._lock:
            self._orders = self._orders or self._started()
            socket.send_fds(self._orders, [struct.pack("<i", len(order))], files)
            self._orders.sendall(order)

    @staticmethod
    def _started() -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            subprocess.Popen(
                [sys.executable, "-m", "tests.prepared", str(theirs.fileno())], cwd=ROOT, pass_fds=[theirs.fileno()],
                env=os.environ | {"REMAP_SIGTERM": REMAPPED}, stdin=subprocess.DEVNULL, preexec_fn=end_with_parent,
            )  # fmt: skip
        return ours


_PREPARED = _Prepared()


# ---- in the prepared process ------------------------------------------------------------------------------------


def serve(orders: socket.socket) -> Callable[[], Any] | None:
    """Fork a keeper for each order, which forks the command. Returns in the command what it is to run, and None at the
    end of the orders."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel collects the keepers
    while True:
        begun, files, _, _ = socket.recv_fds(orders, 4, 4)
        if not begun:
            return None
        order = json.loads(orders.recv(struct.unpack("<i", begun)[0], socket.MSG_WAITALL))
        _preload(order["words"])
        gc.freeze()  # a fork that collects garbage would copy the memory of all that is imported
        if os.fork() == 0:
            orders.close()
            if _keep(files[0], order["group"]):
                return _become(order, files)
        for each in files:
            os.close(each)


def _keep(number: int, group: bool) -> bool:
    """Fork the command, and reply with its process id and with its exit code. True in the command."""
    end_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if (child := os.fork()) == 0:
        end_with_parent()
        if group:
            os.setpgid(0, 0)
        return True
    if group:
        with contextlib.suppress(OSError):  # the command did it itself, as its id may be used before, or has ended
            os.setpgid(child, child)
    os.closerange(0, number)
    reply = socket.socket(fileno=number)
    with contextlib.suppress(OSError):  # nobody waits for it any more
        reply.send(struct.pack("<i", child))
        reply.send(struct.pack("<i", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
    os._exit(0)


def _become(order: dict[str, Any], files: list[int]) -> Callable[[], Any]:
    for standard, each in enumerate(files[1:]):
        os.dup2(each, standard)
    for each in files:
        os.close(each)
    os.chdir(order["folder"])
    words = order["words"]
    if remapped := [word for word in words if word.startswith("REMAP_SIGTERM=")]:
        assert remapped == [f"REMAP_SIGTERM={REMAPPED}"]
        words = words[2:]
    os.environ.clear()
    os.environ.update(order["environment"] | ({"REMAP_SIGTERM": REMAPPED} if remapped else {}))
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdout.reconfigure(line_buffering=os.isatty(1), write_through=unbuffered)
    sys.argv = [str(Path(sys.executable).with_name(Path(words[0]).name)), *words[1:]]
    sys.modules["__main__"].__package__ = None  # Click would say `python -m tests.…` in place of the program's name
    return lambda: MAINS[Path(words[0]).name](words)


def _end(command: Callable[[], Any]) -> NoReturn:
    """Run it, and end as Python would, except that modules are not torn down: that would copy all memory."""
    code: object = 0
    try:
        command()
    except SystemExit as error:
        code = error.code
    except BaseException as error:
        traceback.print_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        code = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()  # waits for threads as the end of a Python process does
    atexit._run_exitfuncs()
    if isinstance(code, str):
        print(code, file=sys.stderr)
    for each in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads it any more
            each.flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code if isinstance(code, int) else int(code is not None))


def _verdicts(words: list[str]) -> Any:
    return import_module("web.cli").main()


def _celery(words: list[str]) -> Any:
    return import_module("celery.__main__").main()


def _gunicorn(words: list[str]) -> Any:
    # Gunicorn goes into the folder in which it was imported, unless it is told another.
    import_module("gunicorn.config").Chdir.default = os.getcwd()
    return import_module("gunicorn.app.wsgiapp").run()


def _python(words: list[str]) -> Any:
    sys.argv = words[1:2] + words[3:]
    if words[1] == "-m":
        sys.modules.pop(words[2], None)  # runpy runs it anew
        return runpy.run_module(words[2], run_name="__main__", alter_sys=True)
    return exec(compile(words[2], "<string>", "exec"), {"__name__": "__main__"})


MAINS = {"verdicts": _verdicts, "celery": _celery, "gunicorn": _gunicorn, "python": _python}
CELERY = ("celery.bin.celery", "celery.apps.worker", "celery.apps.beat", "celery.beat", "celery.concurrency.prefork",
          "celery.worker.consumer", "kombu.transport.redis", "worker.app", "worker.tasks", "worker.parent")  # fmt: skip
GUNICORN = ("gunicorn.app.wsgiapp", "gunicorn.arbiter", "web.app", "web.front.worker")


def _preload(words: Sequence[str]) -> None:
    """Import what this command needs, also for those that come after it."""
    modules: Sequence[str]
    if "celery" in words:
        modules = CELERY
    elif words[0] == "gunicorn":
        modules = GUNICORN
    elif words[0] == "python" and words[1] == "-m":
        modules = ["worker.outside_line", "worker.outside.http_client"]
    elif words[0] == "python":
        modules = re.findall(r"^(?:from|import) ([\w.]+)", words[2], re.MULTILINE)
    else:
        commands = import_module("web.cli").COMMANDS
        modules = [commands[word][0] for word in words[1:2] if word in commands]
    for module in modules:
        import_module(module)


if __name__ == "__main__":
    end_with_parent()
    if (command := serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        _end(command)
