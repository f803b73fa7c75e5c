"""Bytes on their way between a client and a thread: few in memory, more in a temporary file that has no name."""

import io
import os
import tempfile
import threading
from collections import deque
from io import RawIOBase
from typing import BinaryIO

IN_MEMORY = 64 * 1024
PIECE = 64 * 1024
ON_THE_WAY = 256 * 1024
"""Of an answer, what its client has not taken yet."""


def _file() -> RawIOBase:
    return tempfile.TemporaryFile(buffering=0)


class Body:
    """A request's body as it comes in; at most `most` bytes are taken."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = 0
        self._memory = bytearray()
        self._file: RawIOBase | None = None

    @property
    def in_memory(self) -> int:
        return len(self._memory)

    def take(self, piece: bytes) -> bool:
        """Keep the piece; False when the body is larger than it may be."""
        self.size += len(piece)
        if self.size > self.most:
            return False
        if self._file is None and self.size > IN_MEMORY:
            self._file = _file()
            self._file.write(self._memory)
            self._memory = bytearray()
        if self._file is None:
            self._memory += piece
        else:
            self._file.write(piece)
        return True

    def read_from(self) -> BinaryIO:
        """The whole body, to be read from its beginning."""
        if self._file is None:
            return io.BytesIO(self._memory)
        self._file.seek(0)
        return io.BufferedReader(self._file)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Gone(Exception):
    """The client has left, so nobody waits for the rest."""


class Outgoing:
    """An answer's bytes: a thread puts them in as fast as it makes them, the loop takes them as the client reads."""

    def __init__(self) -> None:
        self.over = self.gone = self._awaited = False
        self._lock = threading.Lock()
        self._pieces: deque[bytes] = deque()
        self._in_memory = 0
        self._file: RawIOBase | None = None
        self._written = self._read = 0

    def put(self, piece: bytes) -> bool:
        """Called in the thread: whether the loop has to be told, which it has been if it took nothing since the last
        time. Raises Gone."""
        with self._lock:
            if self.gone:
                raise Gone
            self._keep(piece)
            told, self._awaited = self._awaited, True
            return not told

    def _keep(self, piece: bytes) -> None:
        if self._written == self._read and self._in_memory + len(piece) <= ON_THE_WAY:
            self._pieces.append(piece)
            self._in_memory += len(piece)
            return
        if self._file is None:
            self._file = _file()
        view = memoryview(piece)
        while view:
            done = os.pwrite(self._file.fileno(), view, self._written)
            self._written += done
            view = view[done:]

    def take(self) -> bytes:
        """Called in the loop: the next bytes; none for now if it is empty."""
        with self._lock:
            self._awaited = False
            if self._pieces:
                self._in_memory -= len(self._pieces[0])
                return self._pieces.popleft()
            if self._file is None or self._read == self._written:
                return b""
            found = os.pread(self._file.fileno(), min(PIECE, self._written - self._read), self._read)
            self._read += len(found)
            if self._read == self._written:  # the file never grows beyond what the client is behind
                self._read = self._written = 0
                self._file.truncate(0)
            return found

    def leave(self) -> None:
        """The client has gone, or has everything."""
        with self._lock:
            self.gone = True
            self._pieces.clear()
            if self._file is not None:
                self._file.close()
                self._file = None
                self._read = self._written = 0
