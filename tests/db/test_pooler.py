"""PostgreSQL behind a pooler in session mode, which refuses start-up options as PgBouncer does."""

import socket
import socketserver
import struct
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from db import driver, engine, session
from db import postgresql as module
from db.settings import settings
from tests.pumping import pump

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


class Pooler(socketserver.ThreadingTCPServer):
    """Passes a connection on to the server's socket, unless its start-up packet holds `options`."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.refused = 0
        super().__init__(("127.0.0.1", 0), Client)


class Client(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        packet = self.start_up()
        if b"\0options\0" in packet:
            self.server.refused += 1
            fields = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
            self.request.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)
            return
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self.server.behind)
            server.sendall(packet)
            threading.Thread(target=pump, args=(server, self.request), daemon=True).start()
            pump(self.request, server)

    def start_up(self) -> bytes:
        """The start-up packet (PostgreSQL's protocol, 54.7), after a no to every wish for encryption."""
        while True:
            head = self.request.recv(8, socket.MSG_WAITALL)
            length, code = struct.unpack("!II", head)
            if code not in (SSL_REQUEST, GSS_REQUEST):
                return head + self.request.recv(length - 8, socket.MSG_WAITALL)
            self.request.sendall(b"N")


@pytest.fixture
def pooler(postgresql, setting):
    """A pooler in front of the test's database, which DATABASE_URL names."""
    address = make_url(postgresql)
    with Pooler(f"{address.query['host']}/.s.PGSQL.{address.query.get('port', 5432)}") as pooler:
        threading.Thread(target=pooler.serve_forever, args=(0.05,), daemon=True).start()
        through = address.set(host="127.0.0.1", port=pooler.server_address[1], query={})
        setting(DATABASE_URL=through.render_as_string(hide_password=False))
        yield pooler
        engine.engine().dispose()
        pooler.shutdown()


def timeout_of(opened) -> str:
    return opened.scalar(text("SHOW idle_in_transaction_session_timeout"))


def test_a_pooler_that_refuses_start_up_options_is_worked_through(pooler):
    with session.writing() as opened:
        assert timeout_of(opened) == "15s"
    with session.reading() as opened:
        assert timeout_of(opened) == "15s"
    with driver.driver_connection() as raw:
        assert raw.fetch("SELECT 1", ()) == [(1,)]
    assert pooler.refused == 0


def test_options_of_ones_own_in_the_url_are_kept_beside_it(postgresql, setting):
    mark = "&" if "?" in postgresql else "?"
    setting(DATABASE_URL=f"{postgresql}{mark}options=-c%20statement_timeout%3D7s")
    with session.reading() as opened:
        assert opened.scalar(text("SHOW statement_timeout")) == "7s"
        assert timeout_of(opened) == "15s"


def test_a_rolled_back_transaction_does_not_take_the_time_out_back(postgresql):
    with pytest.raises(RuntimeError), session.writing():
        raise RuntimeError
    with session.reading() as opened:
        assert timeout_of(opened) == "15s"


# ---- what a session is opened with ------------------------------------------------------------------------------


def setting_of(opened, name: str) -> str:
    return opened.scalar(text(f"SHOW {name}"))


def parameters(opened) -> dict[str, str]:
    """What libpq connected with, as a string each; those that it leaves at its own defaults are not there."""
    driver_s = opened.connection().connection.dbapi_connection
    return {each.keyword.decode(): each.val.decode() for each in driver_s.pgconn.info if each.val}


def test_each_end_gives_the_other_up_within_seconds(pooler):
    with session.reading() as opened:
        assert setting_of(opened, "client_connection_check_interval") == "1s"
        given = parameters(opened)
    assert {name: given[name] for name in module._PARAMETERS} == {
        name: str(value) for name, value in module._PARAMETERS.items()
    }


def test_parameters_of_ones_own_hold(pooler, setting, monkeypatch):
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "9")
    setting(DATABASE_URL=f"{settings().database_url}?keepalives_idle=77")
    with session.reading() as opened:
        given = parameters(opened)
    assert (given["keepalives_idle"], given["keepalives_interval"], given["connect_timeout"]) == ("77", "2", "9")


@pytest.mark.parametrize("name", ["no_such_setting", "log_min_messages"])
def test_a_server_that_cannot_look_after_its_clients_is_worked_with(postgresql, monkeypatch, name):
    """PostgreSQL 13 does not know the setting, and on some systems any value is refused."""
    monkeypatch.setattr(module, "_KNOWN", f"current_setting('{name}', true) IS NOT NULL")
    monkeypatch.setattr(module, "_OPEN", module._OPEN.replace(module._CHECK, name))
    with session.reading() as opened:
        assert timeout_of(opened) == "15s"
