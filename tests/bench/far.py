"""A network with a round trip: a process that passes bytes on to a port, each after half of it.

`python -m tests.bench.far PORT MILLISECONDS` prints its own port. It knows no congestion and loses nothing.
"""

import asyncio
import sys
from collections import deque


class Way(asyncio.Protocol):
    """One direction of a connection: what comes in here goes out at the other end after `delay` seconds."""

    def __init__(self, delay: float) -> None:
        self._delay, self._late = delay, deque[tuple[float, bytes]]()
        self._loop = asyncio.get_running_loop()
        self._out: asyncio.Transport | None = None
        self.here: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.here = transport

    def onto(self, other: asyncio.Transport) -> None:
        """Where it goes out; what has come before waits no longer than the rest."""
        self._out = other

    def data_received(self, data: bytes) -> None:
        at = self._loop.time() + self._delay
        self._late.append((at, data))
        if len(self._late) == 1:
            self._loop.call_at(at, self._pass_on)

    def _pass_on(self) -> None:
        while self._late and self._late[0][0] <= self._loop.time():
            _, data = self._late.popleft()
            if self._out:
                self._out.write(data)
        if self._late:
            self._loop.call_at(self._late[0][0], self._pass_on)

    def connection_lost(self, error: Exception | None) -> None:
        self._loop.call_later(self._delay, lambda: self._out and self._out.close())


class Near(Way):
    """The end that a sender connects to; it opens the far end, and a connection costs a round trip too."""

    def __init__(self, port: int, delay: float) -> None:
        super().__init__(delay)
        self._port = port
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        far, back = await self._loop.create_connection(lambda: Way(self._delay), "127.0.0.1", self._port)
        assert self.here
        back.onto(self.here)
        self.onto(far)


async def main() -> None:
    port, milliseconds = int(sys.argv[1]), float(sys.argv[2])
    server = await asyncio.get_running_loop().create_server(
        lambda: Near(port, milliseconds / 2000), "127.0.0.1", 0
    )  # fmt: skip
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
