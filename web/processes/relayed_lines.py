"""Prints what the processes of `verdicts up` say: lines for people, or one JSON object a line (LOG_FORMAT)."""

import contextlib
import datetime
import json
import os
import selectors
import sys
from collections.abc import Iterable
from typing import Any

from honcho.printer import Message, Printer


class Pipe:
    """What one process says, a line at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._begun = b""

    def lines(self, read: bytes) -> list[str]:
        """The lines that are whole with these bytes; no bytes are the end, and make the last line whole."""
        *whole, self._begun = (self._begun + read).split(b"\n") if read else (self._begun, b"")
        return [line.decode(errors="replace") for line in whole if line.strip()]


class RelayedLines:
    """Prints each line with the name of the process that it comes from."""

    def __init__(self, names: Iterable[str], as_json: bool) -> None:
        self._as_json = as_json
        self._printer: Any = Printer(sys.stdout, width=max(map(len, names)))
        self._pipes = selectors.PollSelector()  # it has no file of its own, which a fork would inherit

    def follow(self, name: str, pipe: int) -> None:
        """Print from now on what that process writes to this pipe, and close it at its end."""
        self._pipes.register(pipe, selectors.EVENT_READ, Pipe(name))

    def follows(self) -> bool:
        """Whether a pipe is still open: somebody may write to it."""
        return bool(self._pipes.get_map())

    def wait(self, seconds: float) -> None:
        """Wait that long, or until something was said, and print it."""
        for key, _ in self._pipes.select(seconds):
            read = os.read(key.fd, 65536)
            for line in key.data.lines(read):
                self.write(key.data.name, line)
            if not read:
                self._pipes.unregister(key.fd)
                os.close(key.fd)

    def write(self, name: str, text: str) -> None:
        # When the disk is full, or nobody reads this any more, the site goes on; its log does not.
        with contextlib.suppress(OSError):
            try:
                self._print(name, text)
            except UnicodeEncodeError:  # standard output is not UTF-8
                self._print(name, text.encode("ascii", "backslashreplace").decode())

    def _print(self, name: str, text: str) -> None:
        if self._as_json:
            print(json.dumps({**_entry(text), "process": name}), file=sys.stdout, flush=True)
        else:
            self._printer.write(Message("line", text, datetime.datetime.now().astimezone(), name, None))


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
