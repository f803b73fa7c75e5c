"""Runs the Procfile's commands in forks of one process that has imported what they need, so they share its memory.

Each is the command of its Procfile line: the same program, the same words, a process of its own. What is no command of
ours, or cannot be forked because files have changed since they were imported, is started by its own program.
"""

import atexit
import contextlib
import gc
import os
import sys
import threading
import traceback
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, NoReturn

from web.processes import programs

ROOT = Path(__file__).parents[2]
MODULES = (
    "celery.__main__", "celery.bin.celery", "celery.apps.worker", "celery.apps.beat", "celery.app.amqp",
    "celery.app.control", "celery.app.log", "celery.backends.base", "celery.concurrency.prefork",
    "celery.worker.autoscale", "celery.worker.components", "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery", "celery.worker.strategy", "billiard.popen_fork", "billiard.sharedctypes",
    "kombu.transport.redis", "worker.app", "worker.celery_signals", "worker.tasks", "worker.parent",
    "gunicorn.app.wsgiapp", "gunicorn.arbiter", "gunicorn.glogging", "web.app", "web.front.config", "web.front.worker",
    "worker.outside_line", "cffi.cparser", "cffi.commontypes", "encodings.idna", "psycopg",
)  # fmt: skip
"""What the programs import, also later. What only some of them need costs the others nothing."""
READ_AT_IMPORT = {"REMAP_SIGTERM": "SIGQUIT"}
"""What a worker's line sets, and billiard reads when it is imported; no other program of ours looks at it."""
_SHELL = set("$`|&;<>*?()[]{}~#\\\"'\n")


class Command(NamedTuple):
    """One of our own programs, with its words and the variables that its line sets for it."""

    words: list[str]
    variables: dict[str, str]

    @property
    def fresh(self) -> list[str]:
        """The words that start it in an interpreter of its own."""
        words = self.words if self.words[0] == "python" else [*programs.PREFIX, *self.words]
        return [sys.executable, *words[1:]]


def ours(text: str) -> Command | None:
    """The command of a Procfile line; None if only a shell can run it, or if it is no program of ours."""
    words = [] if _SHELL & set(text) else text.split()
    variables = {}
    if words[:1] == ["env"]:
        del words[0]
        while words and "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            variables[name] = value
    if words[:4] == programs.PREFIX:
        del words[:4]
    needed = READ_AT_IMPORT if "celery" in words and "worker" in words else {}
    is_ours = words[:1] in (["celery"], ["gunicorn"]) or " ".join(words).startswith("python -P -m worker.")
    return Command(words, variables) if is_ours and variables == needed else None


def run_in_fork(words: list[str]) -> NoReturn:
    """Run it and end as a Python program does, except that modules are not torn down: that would copy all memory."""
    code: object = 1
    try:
        programs.run(words)
        code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
        atexit._run_exitfuncs()
    with contextlib.suppress(OSError):  # nobody reads it any more
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


# ---- in the process that is forked -----------------------------------------------------------------------------

Seen = dict[str, tuple[int, int, int] | None]


class Preloaded:
    """What this process has imported, and from which files."""

    def __init__(self, commands: Iterable[Command | None]) -> None:
        """Import it, if any of the commands is ours. Elsewhere than on Linux, a fork may not survive its libraries."""
        self.seen: Seen = {}
        if sys.platform == "linux" and any(commands):
            self._load()

    def _load(self) -> None:
        before = _seen(str(path) for room in ("db", "emails", "worker", "web") for path in (ROOT / room).rglob("*.py"))
        os.environ.update(READ_AT_IMPORT)
        for module in MODULES:
            with contextlib.suppress(ImportError):  # the program that needs it will say so
                import_module(module)
        for name in READ_AT_IMPORT:
            del os.environ[name]
        import_module("sqlalchemy.orm").configure_mappers()
        gc.collect()
        gc.freeze()  # collecting garbage writes to all objects that it looks at, and what is written to is copied
        files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
        self.seen = _seen(path for path in files if path) | before

    def can_fork(self) -> bool:
        """Whether a fork of this process would run what lies on the disk, and find no lock held by another thread."""
        return bool(self.seen) and len(os.listdir("/proc/self/task")) == 1 and self.seen == _seen(self.seen)


def _seen(paths: Iterable[str]) -> Seen:
    return {path: _print(path) for path in paths}


def _print(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
