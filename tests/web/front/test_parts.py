"""The front's parts alone: the queue before the threads, and bytes on their way to a client."""

import gc
import threading
import time
import weakref
from dataclasses import dataclass, field
from unittest.mock import MagicMock

import pytest

from web.front import answers
from web.front import threads as threads_
from web.front.connection import Connection
from web.front.exchange import Exchange
from web.front.incoming import Incoming
from web.front.loop import GO_ON_AT_ONCE, Front
from web.front.spool import ON_THE_WAY, Body, Gone, Outgoing
from web.front.threads import MOST_WAITING, Threads
from web.front.time_limits import ANSWERED_AT_ONCE

pytestmark = pytest.mark.once


@dataclass
class Errand:
    """A job that waits for an event and then writes its name down."""

    name: str
    done: list[str]
    leave: threading.Event = field(default_factory=threading.Event)
    at: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        self.leave.wait(10)
        self.done.append(self.name)

    def refuse(self) -> None:
        self.done.append(f"{self.name} refused")


def until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def busy():
    """One thread, which is at work until its event is set; the threads, the event, and what is done."""
    made, done = Threads(1), []
    made.start()
    work = Errand("work", done)
    assert made.offer(work, first=False)
    until(lambda: made._began[0])
    yield made, work.leave, done
    for waiting in (made._first, made._second):
        waiting.clear()
    work.leave.set()
    made.end()


def test_readers_come_before_others(busy):
    threads, leave, done = busy
    for name, first in (("vote", False), ("page", True), ("console", False), ("another page", True)):
        errand = Errand(name, done)
        errand.leave.set()
        assert threads.offer(errand, first=first)
    leave.set()
    until(lambda: len(done) == 5)
    assert done == ["work", "page", "another page", "vote", "console"]


def test_a_full_queue_takes_no_more_and_the_other_one_does(busy):
    threads, _, done = busy
    assert all(threads.offer(Errand("vote", done), first=False) for _ in range(MOST_WAITING))
    assert not threads.offer(Errand("vote", done), first=False)
    assert threads.offer(Errand("page", done), first=True)


def test_whoever_would_have_to_wait_for_long_is_refused_at_once(busy):
    threads, _, done = busy
    threads._usual = 0.25
    assert [threads.offer(Errand("vote", done), first=False) for _ in range(7)] == [True] * 5 + [False] * 2
    assert threads.offer(Errand("page", done), first=True)


def test_who_waits_for_too_long_is_refused_and_never_run(busy, monkeypatch):
    threads, leave, done = busy
    assert threads.offer(Errand("vote", done), first=False)
    threads.give_up()
    assert done == []
    monkeypatch.setattr(threads_, "PATIENCE", 0.0)
    time.sleep(0.01)
    assert not threads.offer(Errand("another", done), first=False), "those that come later would wait as well"
    threads.give_up()
    leave.set()
    until(lambda: len(done) == 2)
    time.sleep(0.05)
    assert done == ["vote refused", "work"]


def test_an_answer_comes_out_as_it_went_in_whether_its_client_reads_soon_or_late():
    out, taken = Outgoing(), b""
    pieces = [bytes([number]) * 50_000 for number in range(30)]
    for number, piece in enumerate(pieces):
        out.put(piece)
        if number in (3, 12, 13, 25):
            taken += out.take()
    assert out._in_memory <= ON_THE_WAY
    assert out._file is not None, "the rest is on the disk"
    while piece := out.take():
        taken += piece
    out.put(b"the end")
    assert taken + out.take() == b"".join(pieces) + b"the end"


def test_the_loop_is_told_once_until_it_has_taken_what_there_is():
    out = Outgoing()
    assert [out.put(b"a"), out.put(b"b")] == [True, False]
    assert [out.take(), out.take(), out.take()] == [b"a", b"b", b""]
    assert out.put(b"c")


def test_whoever_writes_for_a_client_that_left_is_told():
    out = Outgoing()
    out.leave()
    with pytest.raises(Gone):
        out.put(b"a")


@pytest.mark.parametrize("size", [0, 1000, 64 * 1024, 64 * 1024 + 1, 300_000])
def test_a_body_is_read_as_it_came(size):
    body = Body(300_000)
    sent = bytes(number % 251 for number in range(size))
    assert all(body.take(sent[at : at + 7000]) for at in range(0, size, 7000))
    assert body.read_from().read() == sent
    body.close()


def test_a_body_larger_than_allowed_is_not_taken():
    body = Body(10)
    assert body.take(b"0123456789")
    assert not body.take(b"x")


def test_a_flood_of_empty_lines_is_passed_over_at_once():
    """A megabyte of them once cost a second of the loop, in which nobody else was served."""
    incoming, began = Incoming(lambda _path: 0), time.thread_time()
    for _ in range(16):
        incoming.add(b"\r\n" * 65_536)
        assert incoming.next() is None
        assert not incoming
    assert time.thread_time() - began < 0.3
    incoming.add(b"\r\n\nGET /here HTTP/1.1\r\nHost: a\r\n\r\n")
    assert incoming.next()[0].path == "/here"


def test_one_connection_s_pipelined_requests_are_answered_by_turns_with_others():
    """Four clients that sent without end once kept everybody else waiting for three seconds."""
    turns = []
    front = MagicMock(time=time.monotonic, stopping=False, ready=lambda *_: answers.ALIVE)
    front.go_on_later = lambda client: turns.append(client.go_on)
    front.end_of_head = lambda *_: b"\r\n"
    transport = MagicMock()
    transport.is_closing.return_value = False
    client = Connection(front)
    client.connection_made(transport)
    client.data_received(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
    assert transport.write.call_count == ANSWERED_AT_ONCE
    transport.pause_reading.assert_called_once()
    while turns:
        turns.pop()()
    assert transport.write.call_count == 100
    assert transport.pause_reading.call_count == transport.resume_reading.call_count
    client.data_received(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
    transport.is_closing.return_value = True
    turns.pop()()
    assert transport.write.call_count == 100 + ANSWERED_AT_ONCE, "nothing is written to whoever has left"


def test_hundreds_of_pipelines_leave_each_turn_of_the_loop_short():
    """Each turn accepts one new connection, so eight hundred of them once kept others waiting for five seconds."""
    loop, turns, went_on = MagicMock(call_soon=lambda turn: turns.append(turn)), [], []
    front = Front(loop, MagicMock(), MagicMock(), {}, MagicMock(), {})

    def client(number: int) -> MagicMock:
        made = MagicMock()

        def go_on() -> None:
            went_on.append(number)
            if number == 3 and went_on.count(3) < 3:
                front.go_on_later(made)  # it has still more

        made.go_on = go_on
        return made

    for number in range(GO_ON_AT_ONCE * 2 + 5):
        front.go_on_later(client(number))
    sizes = []
    while turns:
        before = len(went_on)
        assert len(turns) == 1
        turns.pop()()
        sizes.append(len(went_on) - before)
    assert max(sizes) == GO_ON_AT_ONCE
    assert went_on == [*range(GO_ON_AT_ONCE * 2 + 5), 3, 3]


def test_a_request_that_is_answered_leaves_nothing_to_the_garbage_collector():
    front, told = MagicMock(time=time.monotonic, stopping=False, ready=lambda *_: None), []
    front.soon = lambda callback, *more: told.append((callback, more))
    front.threads.offer = lambda exchange, *, first: exchange.run() or True
    front.exchange = lambda *given: Exchange(*given[:3], app, {}, *given[3:])
    transport = MagicMock()
    transport.is_closing.return_value = False
    transport.get_write_buffer_size.return_value = 0
    made = []

    def app(_environ, start):
        start("200 OK", [])
        made.append(weakref.ref(start.__self__))
        return [b"an answer"]

    gc.collect()
    gc.disable()
    try:
        client = Connection(front)
        client.connection_made(transport)
        client.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while told:
            callback, more = told.pop()
            callback(*more)
        del callback, more
        assert b"an answer" in transport.write.call_args.args[0]
        assert made[0]() is None
    finally:
        gc.enable()
