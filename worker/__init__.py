"""Workers: the Celery tasks, the reactions to events, and the senders."""

import sys

import structlog

# structlog's rich tracebacks show every local variable, and ours may hold readers' addresses.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback),
    ]
)
