"""What uvicorn would need of ours: its protocol with a time for a whole request."""

import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # type: ignore[import-not-found]

REQUEST_SECONDS = 10.0


class TimedProtocol(HttpToolsProtocol):  # type: ignore[misc]
    """Closes what is silent, and refuses what is half there, ten seconds after the beginning or the last answer."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # asyncio sets it only on sockets that know their protocol, which uvicorn's shared one does not.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._heard = False
        self._clock()

    def _clock(self) -> None:
        self._late = self.loop.call_later(REQUEST_SECONDS, self._end)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        super().data_received(data)

    def on_message_complete(self) -> None:
        self._late.cancel()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._late.cancel()
        self._heard = False
        self._clock()
        super().on_response_complete()

    def connection_lost(self, error: Exception | None) -> None:
        self._late.cancel()
        super().connection_lost(error)

    def _end(self) -> None:
        if self._heard and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.transport.close()
