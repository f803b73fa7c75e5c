"""What `verdicts doctor` says of sessions on PostgreSQL: whether it answers, how many there are, and by what road."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator

from db import moments
from db.monitoring import heartbeats, sessions
from db.session import is_sqlite, reading, round_trip
from db.settings import Settings

PATIENCE = 6.0
"""Seconds: a little longer than one attempt to connect takes. A name server that is silent would take longer."""

BEHIND_A_POOLER = (
    "a pooler stands between this machine and PostgreSQL: whether a host vanished is seen by the pooler's own "
    "tcp_keepalive and tcp_user_timeout (set them to some seconds), and how many sessions there may be by its limits"
)
CANNOT_LOOK = (
    "this PostgreSQL cannot look whether a client that waits for a lock is still there "
    "(client_connection_check_interval; PostgreSQL 14 and later can, on Linux): a host that vanishes amid one can "
    "keep the others waiting for longer"
)


def wait_for_answer() -> None:
    """Return when the database has answered; raise its error, or TimeoutError when it stays silent."""
    failures: list[Exception] = []

    def ask() -> None:
        try:
            with reading() as session:
                round_trip(session)
        except Exception as error:
            failures.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    if asking.is_alive():
        raise TimeoutError(f"the database has not answered for {PATIENCE:.0f} s")
    if failures:
        raise failures[0]


def numbers(config: Settings) -> Iterator[tuple[bool | None, str]]:
    """Whether the processes' sessions have room on PostgreSQL, and what an operator should know of the road there."""
    with reading() as session:
        if is_sqlite(session):
            return
        running = heartbeats.running(session, moments.now())
        room = sessions.room(session)
        road, looks = sessions.road(session), sessions.looks_after_clients(session)
    all_of_them = sessions.of_processes(Counter(each.kind for each in running) or sessions.PROCFILE, config)
    here = Counter(each.kind for each in running if each.host == socket.gethostname())
    own = sessions.of_processes(here, config)
    whose = f"the site's processes (this host's: {own})" if running else "the Procfile's processes would"
    left = room.allowed - room.others
    told = f"{whose} open {all_of_them} sessions at most; PostgreSQL has {left} for them ({room.others} are others')"
    if all_of_them > left:
        yield None, f"{told}: raise max_connections, lower SEND_CONNECTIONS, or start fewer processes"
    else:
        yield True, told
    if road == "pooler":
        yield None, BEHIND_A_POOLER
    elif road == "tcp" and not looks:
        yield None, CANNOT_LOOK
