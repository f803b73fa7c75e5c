"""Prints what the processes of `verdicts up` say: lines for people, or one JSON object a line (LOG_FORMAT)."""

import datetime
import json
import sys
import threading
from collections.abc import Iterable
from typing import Any

from honcho.printer import Message, Printer


class RelayedLines:
    """Prints each line with the name of the process that it comes from."""

    def __init__(self, names: Iterable[str], as_json: bool) -> None:
        self._as_json = as_json
        self._printer: Any = Printer(width=max(map(len, names)))
        self._lock = threading.Lock()

    def write(self, name: str, text: str) -> None:
        if not self._as_json:
            self._printer.write(Message("line", text, datetime.datetime.now().astimezone(), name, None))
            return
        line = json.dumps({**_entry(text), "process": name})
        with self._lock:  # one thread for each process writes here
            print(line, file=sys.stdout, flush=True)


def _entry(text: str) -> dict[str, Any]:
    """The object that the process wrote, or one around a line that is none, such as an interpreter's last words."""
    try:
        entry = json.loads(text)
    except ValueError:
        entry = None
    if isinstance(entry, dict):
        return entry
    at = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
    return {"event": text.rstrip(), "level": "info", "logger": "up", "timestamp": at}
