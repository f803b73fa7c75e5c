"""A played IMAP server: one mailbox, and as much of RFC 9051 as reading and deleting in it take."""

import re
import socket
import ssl
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.receivers import Receiver, receiving

_UID = re.compile(r"(\d+):\*")


@dataclass
class PlayedMailbox:
    """The mails by UID with their flags, and what clients did."""

    mails: dict[int, bytes] = field(default_factory=dict)
    flags: dict[int, set[str]] = field(default_factory=dict)
    validity: int = 7
    next_uid: int = 1
    password: str = "hunter2"
    token: str = "a-token"
    capabilities: str = "IMAP4rev1 UIDPLUS AUTH=XOAUTH2"
    commands: list[str] = field(default_factory=list)
    breaks_at: str = ""
    """A command at which the server hangs up."""

    def put(self, raw: bytes) -> int:
        uid = self.next_uid
        self.mails[uid], self.flags[uid] = raw, set()
        self.next_uid += 1
        return uid

    def script(self, connection: socket.socket, _receiver: Receiver) -> None:
        with suppress(OSError, ssl.SSLError), connection.makefile("rwb") as lines:
            _Session(self, lines).run()


class _Session:
    """One client."""

    def __init__(self, box: PlayedMailbox, lines) -> None:
        self.box, self.lines, self.readonly = box, lines, True

    def say(self, *lines: bytes) -> None:
        for line in lines:
            self.lines.write(line + b"\r\n")
        self.lines.flush()

    def run(self) -> None:
        self.say(b"* OK [CAPABILITY " + self.box.capabilities.encode() + b"] ready")
        while line := self.lines.readline().decode().strip():
            tag, _, command = line.partition(" ")
            if self.box.breaks_at and command.startswith(self.box.breaks_at):
                return
            self.box.commands.append(command.partition("LOGIN")[0] or "LOGIN")
            self.say(f"{tag} {self.answer(command)}".encode())

    def answer(self, command: str) -> str:
        word, _, rest = command.removeprefix("UID ").partition(" ")
        return getattr(self, f"_{word.lower()}")(rest)

    def _capability(self, _rest: str) -> str:
        self.say(b"* CAPABILITY " + self.box.capabilities.encode())
        return "OK done"

    def _login(self, rest: str) -> str:
        return "OK in" if rest.split()[-1].strip('"') == self.box.password else f"NO not with {rest}"

    def _authenticate(self, _rest: str) -> str:
        self.say(b"+ ")
        said = b64decode(self.lines.readline()).decode()
        if self.box.token in said or said.endswith(f"\0{self.box.password}"):
            return "OK in"
        self.say(b"+ eyJzdGF0dXMiOiI0MDEifQ==")
        self.lines.readline()
        return "NO refused"

    def _open(self, *, readonly: bool) -> str:
        self.readonly = readonly
        self.say(f"* {len(self.box.mails)} EXISTS".encode(), f"* OK [UIDVALIDITY {self.box.validity}] valid".encode())
        return "OK [READ-ONLY] open" if readonly else "OK [READ-WRITE] open"

    def _examine(self, rest: str) -> str:
        return self._open(readonly=True) if "INBOX" in rest else "NO [NONEXISTENT] there is none"

    def _select(self, _rest: str) -> str:
        return self._open(readonly=False)

    def _search(self, rest: str) -> str:
        first = int(_UID.search(rest)[1])
        there = [uid for uid in self.box.mails if "\\Deleted" not in self.box.flags[uid]]
        found = [uid for uid in there if uid >= first] or there[-1:]
        self.say(f"* SEARCH {' '.join(map(str, found))}".rstrip().encode())
        return "OK done"

    def _fetch(self, rest: str) -> str:
        for uid in map(int, rest.split()[0].split(",")):
            if uid in self.box.mails:
                self._tell(uid, rest.partition(" ")[2].strip("()"))
        return "OK done"

    def _tell(self, uid: int, what: str) -> None:
        raw = self.box.mails[uid]
        if what == "RFC822.SIZE":
            self.say(f"* 1 FETCH (UID {uid} RFC822.SIZE {len(raw)})".encode())
        elif what in ("BODY.PEEK[]", "BODY[]"):
            if what == "BODY[]" and not self.readonly:
                self.box.flags[uid].add("\\Seen")
            self.lines.write(f"* 1 FETCH (UID {uid} BODY[] {{{len(raw)}}}\r\n".encode() + raw + b")\r\n")

    def _store(self, rest: str) -> str:
        if self.readonly:
            return "NO read-only"
        for uid in map(int, rest.split()[0].split(",")):
            if uid in self.box.flags:
                self.box.flags[uid].add("\\Deleted")
        return "OK done"

    def _expunge(self, rest: str) -> str:
        wanted = {int(each) for each in rest.split(",")} if rest else set(self.box.mails)
        for uid in wanted & set(self.box.mails):
            if "\\Deleted" in self.box.flags[uid]:
                del self.box.mails[uid], self.box.flags[uid]
        return "OK done"

    def _logout(self, _rest: str) -> str:
        return "OK bye"


@contextmanager
def serving(box: PlayedMailbox, certificate: Path) -> Iterator[int]:
    """The server on a free port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with receiving(box.script, context) as receiver:
        yield receiver.port
