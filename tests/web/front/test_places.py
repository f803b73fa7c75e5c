"""Who holds a place in the front and how many bytes, and who makes room for others."""

from unittest.mock import MagicMock

import pytest

from web.front import answers
from web.front import places as places_
from web.front.connection import Connection, State
from web.front.places import MOST_HELD, SHARE, Places
from web.front.time_limits import HEAD_SECONDS, LAST_SECONDS, UNREAD_SECONDS

pytestmark = pytest.mark.once


class Somebody:
    """A client of the front; its time is over at `deadline`."""

    def __init__(self, places, name, network="", deadline=10.0):
        self.places, self.name, self.network, self.deadline, self.held = places, name, network, deadline, 0
        self.transport = MagicMock()
        self.transport.is_closing.return_value = False
        places.opened(self)
        places.waits(self)

    def give_way(self):
        gone.append(self.name)
        self.deadline = 0.0
        self.places.lost(self)


gone: list[str] = []


@pytest.fixture(autouse=True)
def nobody_gone():
    gone.clear()


def test_one_network_fills_a_fourth_of_the_places_and_then_makes_room_for_itself():
    places = Places(40)
    Somebody(places, "alice", "192.0.2.1", deadline=1.0)
    crowd = [Somebody(places, f"flood {number}", "198.51.100.7") for number in range(40 // SHARE)]
    assert gone == []
    places.waits(crowd[0])  # it has just had an answer, and asks for more
    for number in range(3):
        Somebody(places, f"more {number}", "198.51.100.7")
    assert gone == ["flood 1", "flood 2", "flood 3"]
    assert len(places) == 1 + 40 // SHARE


def test_behind_a_proxy_and_on_this_machine_nobody_s_connections_are_counted():
    places = Places(40)
    for number in range(40):
        Somebody(places, f"visitor {number}")
    assert gone == []
    Somebody(places, "one more")
    assert gone == ["visitor 0"]


def test_a_network_whose_requests_are_all_at_work_loses_none_of_them():
    places = Places(4)
    at_work = Somebody(places, "at work", "192.0.2.1")
    at_work.deadline = 0.0
    Somebody(places, "another", "192.0.2.1")
    assert gone == []


def test_beyond_the_budget_of_bytes_who_has_held_some_for_longest_is_let_go():
    places = Places(1000)
    clients = [Somebody(places, str(number)) for number in range(18)]
    for client in clients[:16]:
        places.holds(client, MOST_HELD // 16)
    places.holds(clients[0], 0)  # has read everything
    places.holds(clients[0], MOST_HELD // 16)  # and has got more
    clients[1].deadline = 0.0  # waits for us
    assert gone == []
    places.holds(clients[16], 100)
    places.holds(clients[17], MOST_HELD // 16)
    assert gone == ["2", "3"]
    assert places.held <= MOST_HELD
    for client in clients:
        places.lost(client)
    assert places.held == 0


# ---- connections, as the places see them -----------------------------------------------------------------------


@pytest.fixture
def front():
    made = MagicMock(time=lambda: 100.0, stopping=False, ready=lambda *_: None, places=Places(100))
    made.counts_networks, made.largest_body = True, lambda _path: 64 * 1024
    return made


def connected(front, peer="192.0.2.9"):
    transport = MagicMock()
    transport.is_closing.return_value = False
    transport.get_write_buffer_size.return_value = 0
    transport.get_extra_info.side_effect = lambda name: (peer, 5000) if name == "peername" else MagicMock()
    client = Connection(front)
    client.connection_made(transport)
    return client


HALF = b"POST /vote HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + b"x" * 3000


def test_half_a_form_and_an_unread_answer_are_counted_until_they_are_whole_and_read(front):
    client = connected(front)
    client.data_received(HALF)
    assert front.places.held == 3000
    client.data_received(b"x" * 2000)
    assert front.places.held == 0
    reader = connected(front)
    reader.transport.get_write_buffer_size.return_value = 60_000
    reader.pause_writing()
    assert front.places.held == 60_000
    reader.transport.get_write_buffer_size.return_value = 0
    reader.resume_writing()
    assert front.places.held == 0
    reader.data_received(HALF)
    reader.connection_lost(None)
    assert front.places.held == 0


def test_pipelined_requests_are_counted_until_they_are_answered(front):
    front.ready, front.end_of_head, turns = (lambda *_: answers.ALIVE), (lambda *_: b"\r\n"), []
    front.go_on_later = turns.append
    connected(front).data_received(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
    assert front.places.held > 1000
    while turns:
        turns.pop().go_on()
    assert front.places.held == 0


def test_hundreds_of_unread_pipelines_cost_no_more_than_the_budget(front, monkeypatch):
    monkeypatch.setattr(places_, "MOST_HELD", 1_000_000)
    clients = [connected(front) for _ in range(25)]
    for client in clients:
        client.state = State.ANSWER
        client.transport.get_write_buffer_size.return_value = 100_000
        client.pause_writing()
    assert front.places.held == 1_000_000
    assert [client.transport.abort.called for client in clients] == [True] * 15 + [False] * 10


@pytest.mark.parametrize(
    ("peer", "network"),
    [("192.0.2.9", "192.0.2.9"), ("2001:db8::1:2", "2001:db8::/64"), ("127.0.0.1", ""), ("::1", ""),
     ("::ffff:127.0.0.1", "")],
)  # fmt: skip
def test_a_network_is_counted_but_not_this_machine(front, peer, network):
    assert connected(front, peer).network == network
    front.counts_networks = False  # a proxy stands before the site
    assert connected(front, peer).network == ""


@pytest.mark.parametrize("half", [HALF, b"GET / HTTP/1.1\r\nHo"])
def test_a_request_that_is_half_there_when_the_process_ends_has_some_seconds_and_then_an_answer(front, half):
    client, silent = connected(front), connected(front)
    client.data_received(half)
    client.end()
    silent.end()
    front.places.sweep(100.0 + UNREAD_SECONDS)
    assert silent.transport.close.called
    assert not client.transport.write.called
    assert client.deadline == 100.0 + LAST_SECONDS < 100.0 + HEAD_SECONDS
    front.places.sweep(100.0 + LAST_SECONDS)
    (answer,), _ = client.transport.write.call_args
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize(
    ("request_", "first"),
    [("GET /tools/git", True), ("HEAD /", True), ("GET /tools/git voter=7", False), ("GET /operator", False),
     ("POST /vote", False), ("GET / __Host-voter=7", False), ("GET / theme=dark", True)],
)  # fmt: skip
def test_who_reads_without_own_votes_gets_a_thread_before_all_others(front, request_, first):
    front.exchange.side_effect = lambda request, *_: MagicMock(request=request)
    method, path, *cookie = request_.split()
    told = f"Cookie: {cookie[0]}\r\n" if cookie else ""
    connected(front).data_received(f"{method} {path} HTTP/1.1\r\nHost: a\r\n{told}\r\n".encode())
    assert front.threads.offer.call_args.kwargs == {"first": first}
