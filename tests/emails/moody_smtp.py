"""A mail server in a bad mood: at each step it may do whatever a server can do on the wire, drawn from a seed.

It remembers what it said about each letter that came in whole, and whether a client must have heard it.
"""

import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, Literal

Said = Literal["taken", "refused", "perhaps"]
"""`perhaps`: the client cannot be sure of it."""
COMMAND, LETTER, DOT, PIECES = 0.03, 0.03, 0.25, 0.15
"""How likely it is in a mood at a command, amid a letter and at its end; and to send an answer in pieces."""
REFUSALS = (
    "450 4.2.0 greylisted", "451 4.3.0 try again", "452 4.2.2 mailbox full", "550 5.1.1 no such user",
    "554 5.7.1 spam", "552 5.3.4 too big", "421 4.7.0 try later",
)  # fmt: skip
NONSENSE = ("hello", "99 what", "600 more", "2500 Ok", "\xff\xfe", "", "150 wait", "x" * 5000)


class MoodyServer:
    """`wholes` is what it said of each whole letter, by recipient; `torn` has those whose letter it broke off, `strays`
    what must never happen. `speaks_of` is the recipient of whom each numbered reply speaks."""

    def __init__(self, seed: int) -> None:
        self.seed, self.sessions = seed, 0
        self.wholes: dict[str, list[Said]] = {}
        self.torn: set[str] = set()
        self.strays: list[str] = []
        self.speaks_of: dict[int, str] = {}
        self.lock = threading.Lock()

    def __enter__(self) -> "MoodyServer":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # a close alone would wake nobody
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(connection)
                self.sessions += 1
                session = Session(self, connection, random.Random(f"{self.seed} {self.sessions}"))
                self._threads.append(threading.Thread(target=session.run))
                self._threads[-1].start()


class _EndedError(Exception):
    """The conversation is over."""


class Session:
    """One connection."""

    def __init__(self, server: MoodyServer, connection: socket.socket, dice: random.Random) -> None:
        self._server, self._connection, self._dice = server, connection, dice
        self._to = ""
        self._accepted = False

    def run(self) -> None:
        with self._connection, suppress(OSError, _EndedError), self._connection.makefile("rb") as lines:
            self._greet()
            while line := lines.readline():
                self._hear(line.decode("latin-1").rstrip("\r\n"), lines)

    def _greet(self) -> None:
        if self._dice.random() < COMMAND:
            self._one_of(self._refuse, self._reset, self._hang_up)
            raise _EndedError
        self._say(*self._dice.choice((["220 mail.example ESMTP"], ["220-mail.example", "220 ESMTP"])))

    def _hear(self, text: str, lines: BinaryIO) -> None:
        verb, _, rest = text.upper().partition(" ")
        if verb == "EHLO":
            offers = [each for each in ("PIPELINING", "SIZE 1000000", "8BITMIME") if self._dice.random() < 0.7]
            self._say(*[f"250-{each}" for each in ("mail.example", *offers)], "250 HELP")
        elif verb == "MAIL":
            self._to = ""
            self._accepted = self._command("250 2.1.0 ok")
        elif verb == "RCPT":
            self._to = rest.lower()[len("TO:<") :].partition(">")[0]
            self._accepted = self._command("250 2.1.5 ok") and self._accepted
        elif verb == "DATA":
            if self._goes_ahead():
                self._letter(lines)
            self._accepted = False
        else:
            self._say("250 2.0.0 ok" if verb in ("RSET", "QUIT") else "500 5.5.2 what")
            if verb == "QUIT":
                raise _EndedError

    # ---- commands ----------------------------------------------------------------------------------------------

    def _command(self, well: str) -> bool:
        if self._dice.random() < COMMAND:
            self._one_of(*[self._refuse] * 5, self._change_mind, self._say_nonsense, lambda: self._say_twice(well),
                         self._reset, self._hang_up)  # fmt: skip
            return False
        self._say(self._numbered(well))
        return True

    def _goes_ahead(self) -> bool:
        if self._accepted:
            return self._command("354 go on")
        goes = self._dice.random() < 0.2  # though there is no recipient; it gets a lone dot
        self._say(self._numbered("354 go on" if goes else "503 5.5.1 no recipient"))
        return goes

    def _change_mind(self) -> None:
        self._say(self._numbered("450-4.2.0 not"), "450 4.2.0 now")

    def _say_twice(self, reply: str) -> None:
        self._say(self._numbered(reply), self._numbered(reply))

    # ---- a letter ----------------------------------------------------------------------------------------------

    def _letter(self, lines: BinaryIO) -> None:
        if self._accepted and self._dice.random() < LETTER:
            self._server.torn.add(self._to)
            lines.read(self._dice.randrange(200))
            self._one_of(self._reset, self._hang_up, self._refuse)
            raise _EndedError
        letter = b""
        while (line := lines.readline()) != b".\r\n":
            if not line:
                raise _EndedError
            letter += line
        if not letter:
            self._say("554 5.5.1 no letter")
            return
        if not self._accepted or not re.search(rb"(?m)^To: [^\r]*" + re.escape(self._to.encode()), letter):
            self._server.strays.append(f"a letter that is not {self._to}'s")
        self._end_of_letter()

    def _end_of_letter(self) -> None:
        taken = self._numbered("250 2.0.0 queued")
        if self._dice.random() >= DOT:
            self._tell("taken", taken)
            return
        self._one_of(
            lambda: self._tell("taken", "250-2.0.0 queued", taken),
            lambda: self._tell("taken", taken) or self._hang_up(),
            lambda: self._tell("taken", taken, "421 4.4.2 and good bye") or self._hang_up(),
            *[lambda: self._knows("refused") or self._refuse()] * 4,
            lambda: self._tell("perhaps", taken) or self._reset(),  # which may overtake what was said
            lambda: self._knows("perhaps") or self._hang_up(),
            lambda: self._knows("perhaps") or self._reset(),
            lambda: self._knows("perhaps") or self._say_nonsense() or self._hang_up(),
            lambda: self._tell("perhaps", "250-2.0.0 queued") or self._hang_up(),
            lambda: self._knows("perhaps") or self._say_half(taken),
        )

    def _tell(self, said: Said, *replies: str) -> None:
        self._knows(said)  # before it is said, so that who has heard it finds it here
        self._say(*replies)

    def _knows(self, said: Said) -> None:
        with self._server.lock:
            self._server.wholes.setdefault(self._to, []).append(said)

    # ---- the wire ----------------------------------------------------------------------------------------------

    def _one_of(self, *moods: Callable[[], object]) -> None:
        self._dice.choice(moods)()

    def _numbered(self, reply: str) -> str:
        with self._server.lock:
            self._server.speaks_of[number := len(self._server.speaks_of) + 1] = self._to
        return f"{reply} #{number}#"

    def _say(self, *replies: str) -> None:
        raw = "".join(f"{each}\r\n" for each in replies).encode("latin-1")
        while self._dice.random() < PIECES:
            at = self._dice.randrange(len(raw))
            self._connection.sendall(raw[:at])
            raw = raw[at:]
            time.sleep(0.001)
        self._connection.sendall(raw)

    def _say_half(self, reply: str) -> None:
        self._connection.sendall(reply.encode()[: self._dice.randrange(1, len(reply) + 1)])
        raise _EndedError

    def _say_nonsense(self) -> None:
        self._say(self._dice.choice(NONSENSE))

    def _refuse(self) -> None:
        refusal = self._dice.choice(REFUSALS)
        self._say(self._numbered(refusal))
        if refusal.startswith("421") or self._dice.random() < 0.2:
            raise _EndedError

    def _hang_up(self) -> None:
        raise _EndedError

    def _reset(self) -> None:
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _EndedError
