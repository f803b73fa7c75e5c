"""The second floor: what happens because something happened."""

import sys

import structlog

# structlog's own tracebacks name the value of every variable, and in ours stand readers' addresses.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback),
    ]
)
