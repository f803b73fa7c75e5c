"""A mail server that records each letter before it accepts it, and holds or drops connections at any stage on order.

Run as `python -m tests.crash.recorder PORT RECORD ADDRESS`. Each letter is one line of RECORD (recipient, Message-ID,
envelope sender, time in seconds since 1970, and the address of the host that sent it), written by one write(2), so that
a kill cannot undo it. Orders are JSON lines
on standard input, each answered by `ok`; `at STAGE` is printed when a connection is held. The stages, in the order of a
letter: greeting, mail, rcpt, data (before the 354), body (part of the letter has arrived), dot (all of it has arrived,
nothing is recorded), reply (recorded, not answered).
"""

import asyncio
import contextlib
import json
import os
import re
import sys
import time
from collections import Counter

GREETING = b"220 recorder.example ESMTP\r\n"
FEATURES = b"250-recorder.example\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250 ENHANCEDSTATUSCODES\r\n"
LARGEST = 60_000_000
STAGES = ("greeting", "mail", "rcpt", "data", "body", "dot", "reply")
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)


class HungUpError(Exception):
    """Ends a connection because an order said so."""


class Recorder:
    """What all connections share: the record, and the orders for each stage."""

    def __init__(self, record: str) -> None:
        self.record = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.hold: Counter[str] = Counter()
        self.drop: Counter[str] = Counter()
        self.delay = 0.0
        self.unknown = ""
        self.unwelcome = ""
        self.held: list[asyncio.Event] = []

    def obey(self, order: dict) -> None:
        """Carry out an order: `hold` or `drop` the next `times` connections at `stage`, let all held ones `go`, or
        `delay` the reply to each letter, know no address with the ending `unknown`, or greet the host at the address
        `unwelcome` with a refusal."""
        match order["do"]:
            case "hold":
                self.hold[order["stage"]] = order["times"]
            case "drop":
                self.drop[order["stage"]] = order["times"]
            case "delay":
                self.delay = order["seconds"]
            case "refuse":
                self.unknown = order["unknown"]
            case "turn away":
                self.unwelcome = order["unwelcome"]
            case "go":
                self.hold.clear()
                for event in self.held:
                    event.set()
                self.held = []
        say("ok")

    async def at(self, stage: str) -> None:
        if self.drop[stage] > 0:
            self.drop[stage] -= 1
            raise HungUpError
        if self.hold[stage] > 0:
            self.hold[stage] -= 1
            go_on = asyncio.Event()
            self.held.append(go_on)
            say(f"at {stage}")
            await go_on.wait()

    def write_down(self, sender: str, to: str, letter: bytes, host: str) -> None:
        found = _MESSAGE_ID.search(letter)
        named = found[1].decode() if found else "-"
        os.write(self.record, f"{to} {named} {sender} {time.time():.3f} {host}\n".encode())

    async def converse(self, lines: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        with contextlib.suppress(HungUpError, ConnectionError, asyncio.IncompleteReadError):
            await self._converse(lines, out)
        out.close()

    async def _converse(self, lines: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        await self.at("greeting")
        host = out.get_extra_info("peername")[0]
        if host == self.unwelcome:
            out.write(b"554 5.7.1 Service unavailable; client host rejected\r\n")
            return
        out.write(GREETING)
        sender = to = ""
        while line := await lines.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                out.write(FEATURES)
            elif verb == b"MAIL":
                await self.at("mail")
                sender = _between(line)
                out.write(b"250 2.1.0 Ok\r\n")
            elif verb == b"RCPT":
                await self.at("rcpt")
                to = _between(line)
                if self.unknown and to.endswith(self.unknown):
                    out.write(f"550 5.1.1 <{to}>: user unknown\r\n".encode())
                    to = ""
                else:
                    out.write(b"250 2.1.5 Ok\r\n")
            elif verb == b"DATA" and not to:
                out.write(b"503 5.5.1 No valid recipients\r\n")
            elif verb == b"DATA":
                await self.at("data")
                out.write(b"354 Go on\r\n")
                self.write_down(sender, to, await self._letter(lines), host)
                await self.at("reply")
                out.write(b"250 2.0.0 Ok: written down\r\n")
            elif verb == b"QUIT":
                out.write(b"221 2.0.0 Bye\r\n")
                return
            else:
                out.write(b"250 2.0.0 Ok\r\n")

    async def _letter(self, lines: asyncio.StreamReader) -> bytes:
        first = await lines.readexactly(64)
        await self.at("body")
        letter = first + await lines.readuntil(b"\r\n.\r\n")
        await self.at("dot")
        if self.delay:
            await asyncio.sleep(self.delay)
        return letter


def _between(line: bytes) -> str:
    return line.decode("ascii").partition("<")[2].partition(">")[0]


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


async def serve(port: int, record: str, address: str) -> None:
    recorder = Recorder(record)
    server = await asyncio.start_server(recorder.converse, address, port, limit=LARGEST, reuse_address=True)
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    say(f"port {server.sockets[0].getsockname()[1]}")
    while line := await orders.readline():
        recorder.obey(json.loads(line))


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), *sys.argv[2:]))
