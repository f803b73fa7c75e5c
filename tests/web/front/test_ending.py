"""A process whose threads are all stuck is replaced, and one that ends answers what is half there."""

import asyncio
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from tests.crash.processes import until
from tests.house.test_procfile import options
from tests.web.front.serving import served
from web.front.exchange import Exchange
from web.front.threads import STUCK_SECONDS, Threads
from web.front.worker import Worker

pytestmark = pytest.mark.once
THREADS = int(options("web", "gunicorn")[options("web", "gunicorn").index("--threads") + 1])


class Request:
    """What a thread is at; it last got on at `moved`."""

    def __init__(self, moved: float) -> None:
        self.at = self.moved = moved


def test_threads_are_stuck_when_none_of_them_has_got_on_for_ten_minutes(monkeypatch):
    monkeypatch.setattr("web.front.threads.monotonic", lambda: 10_000.0)
    made = Threads(3)
    made._at = [Request(10_000.0 - STUCK_SECONDS - 1)] * 3
    assert made.are_stuck()
    made._at[1] = Request(9_999.0)  # a download that began an hour ago, and has just made a piece
    assert not made.are_stuck()
    made._at[1] = None  # a thread that is free
    assert not made.are_stuck()


def test_a_request_gets_on_with_each_piece_of_its_answer(monkeypatch):
    """So that a long download is none that is stuck."""
    clock, seen = iter(range(100, 200)), []
    monkeypatch.setattr("web.front.exchange.monotonic", lambda: next(clock))

    def app(_environ, start):
        start("200 OK", [])
        for _ in range(4):
            seen.append(exchange.moved)
            yield b"a piece"

    exchange = Exchange(MagicMock(version="1.1", headers={}), None, "", app, {}, MagicMock(), MagicMock())
    exchange.run()
    assert seen == [100, 101, 102, 103]


def test_who_waits_in_the_kernel_when_a_process_ends_is_let_in_before_the_port_closes():
    front = MagicMock(counts_networks=False)

    async def ended() -> None:
        worker = SimpleNamespace(sockets=[SimpleNamespace(sock=listener)], loop=asyncio.get_running_loop())
        await Worker._accept_the_rest(worker, front)
        assert front.places.opened.call_count == 3
        for call in front.places.opened.call_args_list:
            call.args[0].transport.abort()

    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.setblocking(False)
        for _ in range(3):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        asyncio.run(ended())


def _say(stack: ExitStack, port: int, request: bytes) -> socket.socket:
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))
    client.sendall(request)
    return client


def _in_hand(stack: ExitStack, port: int) -> socket.socket:
    """A connection on which the server has answered."""

    def answered() -> socket.socket | None:
        client = _say(stack, port, b"GET /pid HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with suppress(OSError):
            return client if client.recv(1000).startswith(b"HTTP/1.1 200 ") else None
        return None

    return until(answered, "an answer")


@pytest.mark.waits
def test_a_process_whose_threads_never_come_back_is_replaced_and_one_that_ends_answers_half_a_form(tmp_path: Path):
    """Both in one run, since each run is a process of its own."""
    variables = {"DATABASE_URL": f"sqlite:///{tmp_path}/site.sqlite3"}
    with served("tests.web.front.ending:app", tmp_path, **variables) as server, ExitStack() as stack:
        # One process gets five of nine, so all its threads are stuck; the other has a thread left, and goes on.
        for _ in range(2 * THREADS - 1):
            _say(stack, server.port, b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: "this process is replaced" in server.said(), "the watchdog")
        assert "web/front/ending.py:1" in server.said(), "it says where they are"
        half, late = _in_hand(stack, server.port), _in_hand(stack, server.port)
        unread = [_say(stack, server.port, b"GET /pid HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(20)]
        for client in (half, late):
            client.sendall(b"POST /pid HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nchoice")
        server.process.terminate()
        late.sendall(b"=ship")
        assert late.recv(100).startswith(b"HTTP/1.1 405 "), "it was sent in time"
        statuses = {client.recv(1000)[:12] for client in unread}
        assert statuses <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}, "nobody's connection is reset"
        answer = half.recv(1000)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"\r\nConnection: close\r\n" in answer
