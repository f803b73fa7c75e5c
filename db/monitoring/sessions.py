"""How many sessions on PostgreSQL the site may open at once, and how many the server has left for it."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from db.postgresql import APPLICATION
from db.settings import Settings

WEB_THREADS = 6
"""The threads of a web process that the Procfile starts: its pages use all but one, and its heartbeat one."""
PROCFILE = Counter(web=2, worker=2, sender=1, outside=1, clock=1)
"""How many processes of each kind its lines start."""


def of_process(kind: str, config: Settings) -> int:
    """The most that one process of this kind has at once. A sender has one for each connection, and one for the rest.

    A worker has one for its work, and one for its heartbeat. The outside line has two for its threads: most of the time
    they wait for other servers.
    """
    return {"web": WEB_THREADS, "worker": 2, "sender": config.send_connections + 1, "outside": 3}.get(kind, 1)


def of_processes(processes: Mapping[str, int], config: Settings) -> int:
    """The same for as many processes of each kind."""
    return sum(number * of_process(kind, config) for kind, number in processes.items())


class Room(NamedTuple):
    """How many sessions the server allows to this role, how many others have now, and how many ours."""

    allowed: int
    others: int
    ours: int


_ROOM = text(
    """
    SELECT least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true), '0')::int,
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
    ),
    count(*) FILTER (WHERE application_name <> :ours), count(*) FILTER (WHERE application_name = :ours)
    FROM pg_stat_activity WHERE usesysid IS NOT NULL AND datid IS NOT NULL
    """
)


def room(session: Session) -> Room:
    """What PostgreSQL says of it. Through a pooler the numbers are those of the pooler's own sessions."""
    return Room(*session.execute(_ROOM, {"ours": APPLICATION}).one())


def road(session: Session) -> str:
    """How this process reaches PostgreSQL: `tcp`, `socket`, or `pooler` if another program answers in its place."""
    connection = session.connection().connection.dbapi_connection
    [pid, by_tcp] = session.execute(text("SELECT pg_backend_pid(), inet_client_addr() IS NOT NULL")).one()
    if connection.info.backend_pid != pid:  # type: ignore[union-attr]
        return "pooler"
    return "tcp" if by_tcp else "socket"


def looks_after_clients(session: Session) -> bool:
    """Whether the server looks, while a statement waits, if its client is still there."""
    interval = session.scalar(text("SELECT current_setting('client_connection_check_interval', true)"))
    return interval not in (None, "", "0")
