"""Access tokens in place of a password: a command prints one, and it is used until the mail server refuses it.

Neither what the command prints nor what it says of errors gets into a log or an error's words.
"""

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from functools import cache
from threading import Lock
from typing import NamedTuple

SECONDS = 10.0
"""How long the command may take."""
_TOKEN = re.compile(rb"\s*([!-~]{1,32768})\s*")
_PART = 12
"""So many characters in a row tell something of a token."""
_MOST = 65_536
"""Bytes that are read of what the command prints; one that prints more is ended."""
_LOOK_SECONDS = 0.02
"""How often it is looked whether the command has ended."""


class NoToken(OSError):
    """The command printed no token; the message says why."""


class Token(NamedTuple):
    """A token, and whether it is one that was printed for an earlier login."""

    value: str
    is_kept: bool


class AccessTokens:
    """The tokens that one command prints, for all connections of this process; safe between threads."""

    def __init__(self, command: str, variable: str = "MAIL_TOKEN_COMMAND") -> None:
        self._command, self._variable = command, variable
        self._kept: str | None = None
        self._lock = Lock()

    def get(self) -> Token:
        """The token that is kept, or else a new one. Raises NoToken. Call it with no transaction open."""
        with self._lock:
            if self._kept is not None:
                return Token(self._kept, is_kept=True)
            self._kept = _printed(self._command, self._variable)
            return Token(self._kept, is_kept=False)

    def was_refused(self, token: Token) -> None:
        """The mail server did not take this token: the next login asks the command again."""
        with self._lock:
            if self._kept == token.value:
                self._kept = None


def without(text: str, token: Token, *forms: str) -> str:
    """A mail server's words without the token and these other forms of it, in case it quotes them in whole or part."""
    secrets = (token.value, *forms)
    return " ".join("…" if any(_tells(word, each) for each in secrets) else word for word in text.split(" "))


def _tells(word: str, secret: str) -> bool:
    length = min(_PART, len(secret))
    return any(secret[at : at + length] in word for at in range(len(secret) - length + 1))


@cache
def of(command: str, variable: str = "MAIL_TOKEN_COMMAND") -> AccessTokens:
    """The tokens of that command, which that variable names, in this process."""
    return AccessTokens(command, variable)


def _printed(command: str, variable: str) -> str:
    with subprocess.Popen(
        command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said = _said(process, variable)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also what it has left running
    if code := process.returncode:
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise NoToken(f"{variable} {ended}")
    if found := _TOKEN.fullmatch(said):
        return found[1].decode("ascii")
    raise NoToken(f"{variable} printed no token: it has to print one word of ASCII and nothing else")


def _said(process: subprocess.Popen[bytes], variable: str) -> bytes:
    """What the process prints until it ends. What it has left running may keep the pipe open, so its end is no sign."""
    assert process.stdout
    until, said = time.monotonic() + SECONDS, b""
    os.set_blocking(process.stdout.fileno(), False)
    while True:
        has_ended = process.poll() is not None
        said += process.stdout.read(_MOST + 1) or b""
        if len(said) > _MOST:
            raise NoToken(f"{variable} printed more than {_MOST} bytes: it has to print one token and nothing else")
        if has_ended:
            return said
        if time.monotonic() > until:
            raise NoToken(f"{variable} did not end within {SECONDS:.0f} s")
        time.sleep(_LOOK_SECONDS)
