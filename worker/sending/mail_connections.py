"""The connections to the mail server that a sending process keeps between its slices."""

import os
import threading
import time

from db.settings import Settings
from emails.transports import Transport, transport_of

_kept: dict[tuple[int, Settings], list[Transport]] = {}


def of(config: Settings, count: int) -> list[Transport]:
    """The connections that this process keeps between slices; a forked child opens its own. Those that are more than
    its share by now are closed."""
    connections = _kept.setdefault((os.getpid(), config), [])
    while len(connections) < count:
        connections.append(transport_of(config))
    for each in connections[count:]:
        each.close()
    return connections[:count]


def _own() -> list[Transport]:
    """The connections of this process alone, in case it was forked from one that sends."""
    return [each for (pid, _), kept in _kept.items() if pid == os.getpid() for each in kept]


def cut() -> None:
    """Break the connections, so that threads which wait for the mail server stop waiting. From another thread only, and
    after ending.break_off(), or the mail server would be blamed."""
    for transport in _own():
        transport.cut()


def hang_up() -> None:
    """End the sessions with the mail server before this process ends, without waiting for one that does not answer."""
    threads = [threading.Thread(target=each.close, daemon=True) for each in _own()]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 0.5
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
