"""One connection: reads requests one after the other, each within its time, and sends the answers as they are read."""

import asyncio
import socket
import struct
from enum import Enum
from typing import TYPE_CHECKING, Any

from db.networks import network_of
from web import origins
from web.front import answers, time_limits
from web.front.answering import Answering
from web.front.answers import Refused
from web.front.incoming import Incoming
from web.front.ready import Ready
from web.front.request import Request
from web.front.spool import IN_MEMORY, Body

if TYPE_CHECKING:
    from web.front.loop import Front

_AT_ONCE = struct.pack("ii", 1, 0)


class State(Enum):
    HEAD = 1
    """Waits for a request, or is within one's head."""
    BODY = 2
    ANSWER = 3
    """A thread works on it, or the client has not read all of it."""
    CLOSING = 4


class Connection(asyncio.Protocol):
    """A client's connection. Every method is called in the loop."""

    transport: asyncio.Transport
    __slots__ = (
        "_answering",
        "_front",
        "_incoming",
        "_reads_slowly",
        "deadline",
        "held",
        "is_paused",
        "network",
        "peer",
        "state",
        "transport",
    )

    def __init__(self, front: "Front") -> None:
        self._front = front
        self._incoming = Incoming(front.largest_body)
        self._answering: Answering | None = None
        self.is_paused = self._reads_slowly = False
        self.state = State.CLOSING
        self.peer = self.network = ""
        self.deadline = 0.0
        """When the client's time for what it is at is over; 0 while it is our turn."""
        self.held = 0

    # ---- what asyncio calls ------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(time_limits.MOST_UNSENT, time_limits.LEAST_UNSENT)
        transport.max_size = time_limits.READ_AT_ONCE
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]).partition("%")[0] if peer else ""
        self.network = (
            network_of(self.peer) if self._front.counts_networks and not origins.is_loopback(self.peer) else ""
        )
        self._front.places.opened(self)
        self._wait_for_head()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._answering is not None:
            self._answering.leave()
            self._answering = None
        self._incoming.close()
        self._front.places.lost(self)
        self._front.uploaded(self)

    def eof_received(self) -> bool:
        """A client that has only ended its own side still gets its answer."""
        return self.state is State.ANSWER

    def data_received(self, data: bytes) -> None:
        if self.state is State.CLOSING:
            return
        self._incoming.add(data)
        if self.state is not State.ANSWER:
            self._read()
            return
        if len(self._incoming) > IN_MEMORY:
            self.transport.pause_reading()
        self._count()

    def _count(self) -> None:
        """Tell how many bytes wait here: of requests that are not whole, and of answers that are not read."""
        held = self._incoming.held() + self.transport.get_write_buffer_size()
        if held or self.held:
            self._front.places.holds(self, held)

    def pause_writing(self) -> None:
        self.is_paused = True
        if self.state is State.ANSWER:
            self.deadline = self._front.time() + time_limits.READ_SECONDS
            self._front.places.waits_no_more(self)
        self._count()

    def resume_writing(self) -> None:
        self.is_paused = False
        self._count()
        if self.state is not State.ANSWER:
            return
        self.deadline = 0.0
        if self._answering is None:
            self._wait_for_head()
        else:
            self._answering.pump()

    # ---- a request comes in ------------------------------------------------------------------------------------

    def _wait_for_head(self) -> None:
        self.state = State.HEAD
        self.deadline = self._front.time() + time_limits.HEAD_SECONDS
        self._front.places.waits(self)
        if self._incoming:
            self.transport.resume_reading()
            self._read()

    def _read(self) -> None:
        try:
            self._read_requests()
        except Refused as refused:
            self.refuse(refused.status, head_only=self._incoming.asks_for_head)
        self._count()

    def _read_requests(self) -> None:
        """Answer, or hand over, each request that is whole, one after the other. Raises Refused."""
        answered = 0
        while self._may_read() and (whole := self._incoming.next()) is not None:
            self._answer(*whole)
            answered += 1
            if answered == time_limits.ANSWERED_AT_ONCE and self._incoming and self.state is State.HEAD:
                self.transport.pause_reading()
                self._front.go_on_later(self)
                return
        if self.state is State.HEAD and self._incoming.request is not None:
            self._wait_for_body(self._incoming.request)

    def _may_read(self) -> bool:
        """Not while a thread is at the last one, and not for a client that has left: asyncio logs each such write."""
        return self.state in (State.HEAD, State.BODY) and not self.transport.is_closing()

    def go_on(self) -> None:
        """The others have had their turn."""
        if self.state is State.HEAD and not self.transport.is_closing():
            self.transport.resume_reading()
            self._read()

    def _wait_for_body(self, request: Request) -> None:
        most = self._front.largest_body(request.path)
        if most > IN_MEMORY and not self._front.may_upload(self):
            raise Refused(503)
        self.state = State.BODY
        self._front.places.waits_no_more(self)
        size = most if request.chunked else request.length
        self.deadline = self._front.time() + time_limits.BODY_SECONDS + size / time_limits.BODY_BYTES_A_SECOND
        if request.expects and not self._incoming.has_begun():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # ---- and is answered ---------------------------------------------------------------------------------------

    def _answer(self, request: Request, body: Body | None) -> None:
        self._reads_slowly = False
        ready = self._front.ready(request, self.peer) if body is None else None
        if ready is not None:
            self._send(request, ready)
        else:
            self._hand_over(request, body)

    def _send(self, request: Request, ready: Ready) -> None:
        """An answer that needs no thread: its head without the last lines, and its body."""
        head, body = ready
        keep = request.keep_alive and not self._front.stopping
        end = self._front.end_of_head(request.version, keep)
        self.transport.write(head + end if request.method == "HEAD" else b"".join((head, end, body)))
        if keep:
            self._after_answer()
        else:
            self._close(time_limits.READ_SECONDS)

    def _hand_over(self, request: Request, body: Body | None) -> None:
        self.state, self.deadline = State.ANSWER, 0.0
        self._front.places.waits_no_more(self)
        self._front.uploaded(self)
        if self._front.stopping:
            request.keep_alive = False
        self._answering = Answering(self._front, self, request, body)
        self._answering.begin()

    def awaits(self, answering: Answering) -> bool:
        """Whether the client still waits for this answer."""
        return answering is self._answering and not self.transport.is_closing()

    def answered(self, *, keep_alive: bool) -> None:
        """The client has been given all of it."""
        self._answering = None
        if keep_alive and not self._front.stopping:
            self._after_answer()
        else:
            self._close(time_limits.READ_SECONDS)

    def _after_answer(self) -> None:
        """Wait for the next request, but not before the client reads the answers that it has asked for."""
        if self.is_paused:
            self.state, self.deadline = State.ANSWER, self._front.time() + time_limits.READ_SECONDS
            self._front.places.waits_no_more(self)
        elif self.state is State.HEAD:
            self._front.places.waits(self)
            self.deadline = self._front.time() + time_limits.HEAD_SECONDS
        else:
            self._wait_for_head()

    # ---- the end -----------------------------------------------------------------------------------------------

    def refuse(self, status: int, *, head_only: bool = False) -> None:
        """Say why there is no other answer, and end the connection."""
        self._answering = None
        self.transport.write(answers.plain(status, close=True, head_only=head_only))
        self._close(time_limits.CLOSE_SECONDS)

    def _close(self, seconds: float) -> None:
        """End our side, and wait for the client to end its own."""
        self._front.places.waits_no_more(self)
        self._front.uploaded(self)
        self._incoming.close()
        self._count()
        self.state, self.deadline = State.CLOSING, self._front.time() + seconds
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def overdue(self) -> None:
        """The client's time is over: what is half there is refused, and who is silent or reads nothing is let go."""
        unsent = self.transport.get_write_buffer_size()
        if self.state is State.BODY or (self.state is State.HEAD and self._incoming and not unsent):
            self.refuse(408)
        elif self.state is State.HEAD and not unsent:
            self.transport.close()
        elif self.state is State.HEAD and not self._reads_slowly:
            self._reads_slowly = True
            self._after_answer()  # it has as much time again for the last bytes
        else:
            self.reset()

    def give_way(self) -> None:
        """Of all clients this one has kept us waiting for longest, and somebody else needs the place."""
        self.state = State.CLOSING
        self._front.places.waits_no_more(self)
        self.transport.abort()

    def end(self) -> None:
        """The process ends: close after the answer that is under way. Half a request has some seconds more, and silence
        a moment: to close before a request is read that has come in would reset the connection."""
        if self._answering is not None:
            self._answering.is_the_last()
        if self.state in (State.HEAD, State.BODY):
            has_begun = self._incoming or self.state is State.BODY
            self.deadline = min(
                self.deadline,
                self._front.time() + (time_limits.LAST_SECONDS if has_begun else time_limits.UNREAD_SECONDS),
            )
            self._front.places.waits_no_more(self)

    def reset(self) -> None:
        """Close without waiting for the client to take what the kernel still holds for it (SO_LINGER of 0 seconds)."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()
