"""How a session of PostgreSQL is opened, so that a host or a server that vanishes costs seconds on either end."""

import os
from typing import Any

from sqlalchemy import URL

DRIVER = "postgresql+psycopg"

APPLICATION = "verdicts"
"""The name of our sessions in pg_stat_activity."""

_PARAMETERS: dict[str, int | str] = {
    "connect_timeout": 5, "keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
    "tcp_user_timeout": 10_000, "fallback_application_name": APPLICATION,
}  # fmt: skip
"""Parameters of libpq (its manual, 32.1.2), in seconds but for `tcp_user_timeout`, which is in milliseconds. A server
that does not even acknowledge what was sent to it is given up after about ten seconds; the system's own default is a
quarter of an hour."""

_SETTINGS = {
    # A transaction that a stopped process left open must not block the others for ever.
    "idle_in_transaction_session_timeout": "15s",
    # A host that vanished gives its locks back. A session of its that waits for the lock may still get it when the
    # first one is given up, and is given up only tcp_user_timeout later, so others wait for up to twice these times.
    "tcp_keepalives_idle": "3", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "2",
    "tcp_user_timeout": "4500ms",
}  # fmt: skip
"""They are set by a statement, since PgBouncer refuses connections with the start-up parameter `options`. On a socket
of the same machine, and behind a pooler, those of TCP change nothing."""

_CHECK = "client_connection_check_interval"
"""How often the server looks, amid a statement that waits for a lock, whether its client is still there. PostgreSQL 13
does not know it, and some systems cannot do it."""

_OPEN = (
    "SELECT "
    + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SETTINGS.items())
    + ", CASE WHEN {known} THEN set_config('"
    + _CHECK
    + "', '1s', false) END,"
    + " pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'"
)
_KNOWN = f"current_setting('{_CHECK}', true) IS NOT NULL"


def parameters(address: URL) -> dict[str, int | str]:
    """The parameters for libpq that neither DATABASE_URL nor libpq's own environment variable gives."""
    own = set(address.query) | ({"connect_timeout"} if "PGCONNECT_TIMEOUT" in os.environ else set())
    return {name: value for name, value in _PARAMETERS.items() if name not in own}


def set_up(connection: Any) -> bool:
    """Set what holds for the whole session, in one round trip. True if the server lets nobody write."""
    from psycopg import errors

    try:
        row = connection.execute(_OPEN.format(known=_KNOWN)).fetchone()
    except (errors.InvalidParameterValue, errors.FeatureNotSupported):  # its system cannot look
        row = connection.execute(_OPEN.format(known="false")).fetchone()
    return bool(row[-1])
