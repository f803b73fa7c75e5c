"""How the log reads: lines for people, or one JSON object a line (LOG_FORMAT), from our code and from libraries alike.

An entry's `event` is always the same words; what differs stands in keys of its own, such as the ids `request`, `job`,
`delivery` and `digest`. No address of anybody stands in it.
"""

import logging
import os
import sys
import traceback
from functools import cache
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from db.masking import masked_fields, masked_in
from db.refusals import refusal
from worker.processes import log_masking


class NamedLogger(structlog.WriteLogger):
    """Writes to what is standard output by then, each line at once, since several processes share it; and keeps the
    name that `get_logger` was asked for."""

    def __init__(self, name: str = "verdicts") -> None:
        super().__init__()
        self.name = name


def _one_line(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    """Of what a full or a locked database refuses, log its own sentence: a traceback each time would fill the disk."""
    error = entry.get("exc_info")
    if error is True:
        error = sys.exc_info()[1]
    told = refusal(error) if isinstance(error, BaseException) else None
    if told is not None:
        del entry["exc_info"]
        entry["error"] = told
    return entry


@cache
def _for_people() -> structlog.dev.ConsoleRenderer:
    """Made with the first entry: a fork has another standard output than the process that imported this module."""
    # structlog's rich tracebacks show every local variable, and ours may hold readers' addresses.
    return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)


_as_json = structlog.processors.JSONRenderer(default=lambda value: masked_in(str(value)))
_stamped_here = structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False)
_stamped = structlog.processors.TimeStamper(fmt="iso", utc=True)


def _rendered(logger: WrappedLogger, method: str, entry: EventDict) -> str:
    """The entry as LOG_FORMAT wants it."""
    if not is_json():
        line = masked_in(str(_for_people()(logger, method, _stamped_here(logger, method, entry))))
        return line.encode("utf-8", "backslashreplace").decode()  # a lone surrogate cannot be printed
    entry = structlog.processors.format_exc_info(logger, method, _stamped(logger, method, entry))
    entry.setdefault("logger", getattr(logger, "name", "verdicts"))
    entry["pid"] = os.getpid()
    # Masked before it is written as JSON: in `\\u0007alice@…` the escape would be taken for a part of the address.
    return str(_as_json(logger, method, masked_fields(entry)))


def is_json() -> bool:
    """Whether LOG_FORMAT is json. It is read by itself: a line that tells of unusable settings has a form too, and any
    thread may log, also while the settings are being read."""
    return os.environ.get("LOG_FORMAT") == "json"


class Lines(logging.Formatter):
    """Writes the records of Python's own logging, which libraries use, as entries like ours."""

    def format(self, record: logging.LogRecord) -> str:
        entry: EventDict = {"event": record.getMessage(), "level": record.levelname.lower(), "logger": record.name}
        if record.exc_info and record.exc_info[0]:
            entry["exception"] = record.exc_text or "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        structlog.contextvars.merge_contextvars(None, "", entry)
        return _rendered(None, record.levelname.lower(), entry)


class StandardError(logging.Handler):
    """Writes to what is standard error by then."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


def configure() -> None:
    """Let our own entries read so; it needs no settings yet."""
    log_masking.install()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _one_line,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.dev.set_exc_info,
            _rendered,
        ],
        logger_factory=NamedLogger,
    )


def take_over(**_: Any) -> None:
    """Let the records of libraries read so too, from warnings on; for processes of the site, as their log begins."""
    handler = StandardError()
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for server in ("gunicorn.error", "gunicorn.access"):  # it has handlers of its own by then
        logger = logging.getLogger(server)
        logger.handlers.clear()
        logger.propagate = True
