"""An answer on its way from its thread to the client, as fast as the client reads."""

from typing import TYPE_CHECKING

from web.front.exchange import Exchange
from web.front.ready import reads_only
from web.front.request import Request
from web.front.spool import Body

if TYPE_CHECKING:
    from web.front.connection import Connection
    from web.front.loop import Front


class Answering:
    """One request and what becomes of it. Every method is called in the loop, but for `_told` and `_failed`."""

    __slots__ = ("_client", "_exchange", "_front")

    def __init__(self, front: "Front", client: "Connection", request: Request, body: Body | None) -> None:
        self._front, self._client = front, client
        self._exchange = front.exchange(request, body, client.peer, self._told, self._failed)

    def begin(self) -> None:
        """Hand the request to a thread, or refuse it."""
        if not self._front.threads.offer(self._exchange, first=reads_only(self._exchange.request)):
            self._refused(503)

    def is_the_last(self) -> None:
        """The connection is closed after it."""
        self._exchange.keep_alive = False

    def leave(self) -> None:
        """The client has gone, or has everything. The two know each other: without this end each would wait for the
        garbage collector."""
        self._exchange.out.leave()
        del self._exchange

    def _told(self, _exchange: Exchange) -> None:
        self._front.soon(self.pump)

    def _failed(self, _exchange: Exchange, status: int) -> None:
        self._front.soon(self._refused, status)

    def pump(self) -> None:
        """Give the client what there is of the answer, as long as it reads."""
        client = self._client
        if not client.awaits(self):
            return
        exchange = self._exchange
        over = exchange.out.over  # before the last bytes are taken, since the thread sets it after them
        try:
            while not client.is_paused and (piece := exchange.out.take()):
                client.transport.write(piece)
        except OSError:
            client.reset()
            return
        if over and not client.is_paused:
            self.leave()
            client.answered(keep_alive=exchange.keep_alive)

    def _refused(self, status: int) -> None:
        """No thread answers; unless the answer has begun, say why."""
        client = self._client
        if not client.awaits(self):
            return
        exchange = self._exchange
        if exchange.begun:
            client.reset()  # so that a part is not taken for the whole
            return
        if exchange.body is not None:
            exchange.body.close()
        self.leave()
        client.refuse(status, head_only=exchange.request.method == "HEAD")
