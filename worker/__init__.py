"""Workers: the Celery tasks, the reactions to events, and the senders."""

import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from db.refusals import refusal
from worker import log_masking


def _one_line(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Of what a full or a locked database refuses, log its own sentence: a traceback each time would fill the disk."""
    error = line.get("exc_info")
    if error is True:
        error = sys.exc_info()[1]
    told = refusal(error) if isinstance(error, BaseException) else None
    if told is not None:
        del line["exc_info"]
        line["error"] = told
    return line


# structlog's rich tracebacks show every local variable, and ours may hold readers' addresses.
structlog.configure(
    processors=[
        _one_line,
        *structlog.get_config()["processors"][:-1],
        log_masking.Masked(
            structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ),
    ]
)
log_masking.install()
