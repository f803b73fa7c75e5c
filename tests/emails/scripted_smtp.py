"""A mail server that answers as it is told: well by default, and badly at whichever step a test names."""

import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from typing import Any, BinaryIO

HANG_UP = "hang up"
RESET = "reset"
SILENCE = "silence"

WELL = {
    "greeting": "220 mail.example ESMTP",
    "EHLO": "250-mail.example\n250-PIPELINING\n250-SIZE 1000000\n250-AUTH PLAIN\n250 ENHANCEDSTATUSCODES",
    "STARTTLS": "220 2.0.0 Go on",
    "AUTH": "235 2.7.0 Welcome",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 Go on",
    "letter": "is read",
    "dot": "250 2.0.0 Ok: queued as 1A2B",
    "RSET": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
}


@dataclass
class ScriptedServer:
    """Answers each step with `script[step]`, in turn if it is a list (the last one stays), else well.

    A step is a verb, `greeting`, `letter` (after a go-ahead), or `dot` (the end of a letter). HANG_UP closes the
    connection instead of an answer, RESET breaks it off, SILENCE keeps it open and says nothing more, or reads nothing
    more of a letter. With `deaf` the server throws away what has come behind a letter. `heard` holds every line,
    `letters` each letter's bytes, and `taken` those that it said it took (a lone dot is no letter).
    """

    script: dict[str, Any] = field(default_factory=dict)
    context: ssl.SSLContext | None = None
    encrypted: bool = False
    heard: list[str] = field(default_factory=list)
    letters: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    connections: int = 0
    closed: int = 0

    def __enter__(self) -> "ScriptedServer":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            # Without NODELAY each answer would wait for the acknowledgement of the one before it, 40 ms.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        self._open.append(connection)
        try:
            if self.encrypted:
                connection = self._secured(connection)
            self._speak(connection)
        except (OSError, _HungUpError):
            pass
        finally:
            connection.close()
            self.closed += 1

    def _speak(self, connection: socket.socket) -> None:
        self._answer(connection, "greeting")
        lines = connection.makefile("rb")
        while line := lines.readline():
            text = line.decode("ascii", "replace").rstrip("\r\n")
            self.heard.append(text)
            verb = text.split(" ")[0].upper()
            said = self._answer(connection, verb)
            if verb == "STARTTLS" and said.startswith("220"):
                connection = self._secured(connection)
                lines = connection.makefile("rb")
            if verb == "DATA" and said.startswith("354"):
                letter = self._said("letter")
                if letter == SILENCE:
                    self._ended.wait()
                    return
                if letter == RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if letter in (HANG_UP, RESET):
                    return
                self.letters.append(self._letter(lines))
                self._answer(connection, "dot")
                if self.script.get("deaf"):
                    lines = connection.makefile("rb")
            if verb == "QUIT":
                return

    def _letter(self, lines: BinaryIO) -> bytes:
        letter = b""
        while line := lines.readline():
            if line == b".\r\n":
                return letter
            letter += line
        raise _HungUpError

    def _answer(self, connection: socket.socket, step: str) -> str:
        said = self._said(step)
        if said == HANG_UP:
            # A plain close could turn into a reset that overtakes earlier answers.
            connection.shutdown(socket.SHUT_WR)
            raise _HungUpError
        if said == SILENCE:
            while connection.recv(65536):
                pass
            raise _HungUpError
        if step == "dot" and said.startswith("2") and self.letters[-1]:
            self.taken.append(self.letters[-1])  # before it is said, so that who has heard it finds it here
        connection.sendall(said.replace("\n", "\r\n").encode("latin-1") + b"\r\n")
        return said

    def _said(self, step: str) -> str:
        said = self.script.get(step, WELL.get(step, "500 5.5.2 What?"))
        if not isinstance(said, str):
            said, self.script[step] = said[0], said[1:] if len(said) > 1 else said[0]
        return str(said)

    def _secured(self, connection: socket.socket) -> socket.socket:
        assert self.context is not None
        secured = self.context.wrap_socket(connection, server_side=True)
        self._open.append(secured)
        return secured


class _HungUpError(Exception):
    """The script or the client ended the conversation."""
