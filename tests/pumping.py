"""Copies bytes from one socket to another until either closes; the tests' proxies are built from this."""

import contextlib
import socket


def pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source ends, then end the target."""
    with contextlib.suppress(OSError):
        while said := source.recv(65536):
            target.sendall(said)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
