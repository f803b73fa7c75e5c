"""A mail server that takes everything and keeps nothing, in a process of its own: it prints its port, then serves."""

import asyncio


class Sink(asyncio.Protocol):
    """One connection: answers commands as they come, several to a packet (RFC 2920), and skips letters."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer, self.in_letter = transport, bytearray(), False
        self.transport.write(b"220 sink ready\r\n")  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        replies = []
        while True:
            if self.in_letter:
                end = self.buffer.find(b"\r\n.\r\n", max(0, len(self.buffer) - len(data) - 5))
                if end < 0:
                    del self.buffer[:-5]
                    break
                del self.buffer[: end + 5]
                self.in_letter = False
                replies.append(b"250 2.0.0 taken\r\n")
                continue
            end = self.buffer.find(b"\r\n")
            if end < 0:
                break
            verb = bytes(self.buffer[:4]).upper()
            del self.buffer[: end + 2]
            replies.append(self.answer(verb))
        if replies:
            self.transport.write(b"".join(replies))  # type: ignore[attr-defined]

    def answer(self, verb: bytes) -> bytes:
        if verb == b"EHLO":
            return b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 10485760\r\n"
        if verb == b"DATA":
            self.in_letter = True
            return b"354 go\r\n"
        if verb == b"QUIT":
            return b"221 bye\r\n"
        return b"250 2.1.0 ok\r\n"


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
