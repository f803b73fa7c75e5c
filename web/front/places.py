"""Who holds a place in one process, since when, and how many bytes: who has kept us waiting for longest makes room."""

from asyncio import Transport
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Protocol

MOST_HELD = 16 * 1024 * 1024
"""Bytes in one process that wait for slow clients: of answers that are not read, and of requests that are not whole."""
SHARE = 4
"""One network holds at most a fourth of the places. The two thousand of 8,192 are more than people behind a carrier's
NAT need, since what is silent for ten seconds is closed anyway."""


class Client(Protocol):
    """A connection, as the places know it."""

    network: str
    """Whose it is (`db.networks`); "" if a proxy or this machine has it, for whom nothing is counted."""
    transport: Transport
    deadline: float
    """When the client's time is over; 0 while it is our turn."""
    held: int
    """The bytes that are counted for it."""

    def overdue(self) -> None: ...
    def give_way(self) -> None: ...
    def end(self) -> None: ...


class Places:
    """The connections of one process; all of it belongs to the loop's thread."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0
        self._waiting: dict[Client, None] = {}
        """Connections from which a request is awaited, by the time since when."""
        self._others: dict[Client, None] = {}
        """All others, by the time since when they are at what they are at."""
        self._of: dict[str, dict[Client, None]] = {}
        """Each network's connections, by the time since when a request is awaited from them."""
        self._holding: dict[Client, None] = {}
        """Connections that hold bytes, by the time since when."""

    def __len__(self) -> int:
        return len(self._waiting) + len(self._others)

    def __iter__(self) -> Iterator[Client]:
        return iter([*self._waiting, *self._others])

    def opened(self, client: Client) -> None:
        """Make room for one more. Half a form holds a place as well as silence does, and so does who reads slowly."""
        if client.network:
            own = self._of.setdefault(client.network, {})
            if len(own) >= max(1, self.most // SHARE):
                _let_go(islice(_who_let_us_wait(own), 1))
            own[client] = None
        if len(self) >= self.most:
            _let_go(chain(islice(_who_let_us_wait(self._waiting), 1), islice(_who_let_us_wait(self._others), 1)))

    def waits(self, client: Client) -> None:
        """A request is awaited from now on."""
        self._others.pop(client, None)
        _put_last(self._waiting, client)
        if client.network and client in (own := self._of.get(client.network, {})):
            _put_last(own, client)

    def waits_no_more(self, client: Client) -> None:
        self._waiting.pop(client, None)
        _put_last(self._others, client)

    def lost(self, client: Client) -> None:
        self._waiting.pop(client, None)
        self._others.pop(client, None)
        self._count(client, 0)
        if own := self._of.get(client.network):
            own.pop(client, None)
            if not own:
                del self._of[client.network]

    def holds(self, client: Client, size: int) -> None:
        """So many bytes wait for this client now. Beyond the budget, who has held some for longest is let go."""
        self._count(client, size)
        while self.held > MOST_HELD and (longest := next(_who_let_us_wait(self._holding), None)) is not None:
            self._count(longest, 0)
            longest.give_way()

    def _count(self, client: Client, size: int) -> None:
        self.held += size - client.held
        client.held = size
        if size:
            self._holding[client] = None
        else:
            self._holding.pop(client, None)

    def sweep(self, now: float) -> None:
        """Let go whose time is over."""
        while self._waiting and (oldest := next(iter(self._waiting))).deadline <= now:
            oldest.overdue()
            if self._waiting and next(iter(self._waiting)) is oldest:  # it closes by and by
                self.waits_no_more(oldest)
        for client in [each for each in self._others if 0 < each.deadline <= now]:
            client.overdue()


def _put_last(clients: dict[Client, None], client: Client) -> None:
    clients.pop(client, None)
    clients[client] = None


def _who_let_us_wait(clients: Iterable[Client]) -> Iterator[Client]:
    return (each for each in clients if each.deadline and not each.transport.is_closing())


def _let_go(clients: Iterable[Client]) -> None:
    """Of these, who has waited for longest."""
    if longest := min(clients, key=lambda each: each.deadline, default=None):
        longest.give_way()
