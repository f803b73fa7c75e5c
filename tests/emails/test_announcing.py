"""The next letter's commands go out behind the letter before it: a round trip less, and no letter counted wrongly."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emails.transports import Outcome, Outgoing, TimeOuts, open_transport
from emails.transports.smtp import SmtpTransport
from emails.transports.smtp_connection import SmtpConnection
from tests.crash.processes import until
from tests.emails.scripted_smtp import HANG_UP, RESET, SILENCE, ScriptedServer

PEOPLE = ("alice", "bob", "charlie", "dora")


def letters(people: Sequence[str] = PEOPLE) -> list[Outgoing]:
    return [
        Outgoing("a@verdicts.example", f"{name}@example.com", f"Subject: {name}\r\n\r\nShip it.\r\n".encode(), name)
        for name in people
    ]


def door_to(server: ScriptedServer, time_outs: TimeOuts | None = None) -> SmtpTransport:
    door = open_transport(f"smtp://127.0.0.1:{server.port}", time_outs or TimeOuts(5, 5, 5))
    assert isinstance(door, SmtpTransport)
    return door


def sent(door: SmtpTransport, given: Sequence[Outgoing]) -> list[Outcome]:
    """Each letter's outcome, when every letter is announced with the one before it."""
    return [
        door.send(letter, lambda after=after: after) for letter, after in zip(given, (*given[1:], None), strict=True)
    ]


def kinds(door: SmtpTransport, people: Sequence[str] = PEOPLE) -> list[str]:
    return [outcome.kind for outcome in sent(door, letters(people))]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What goes to the wire, write by write."""
    told, write = list[bytes](), SmtpConnection.write
    monkeypatch.setattr(SmtpConnection, "write", lambda self, raw: told.append(bytes(raw)) or write(self, raw))
    return told


def test_a_letters_commands_go_out_behind_the_letter_before_it(written: list[bytes]) -> None:
    with ScriptedServer() as server:
        assert kinds(door_to(server)) == ["sent"] * 4
    assert len(written) == 5, "one write opens the first letter, and then one a letter"
    assert [raw.count(b"MAIL FROM:") for raw in written] == [1, 1, 1, 1, 0]
    assert written[1].startswith(letters()[0].message + b".\r\nMAIL FROM:")
    assert server.letters == [letter.message for letter in letters()]
    assert server.connections == 1


def test_nothing_is_announced_to_a_server_without_pipelining(written: list[bytes]) -> None:
    with ScriptedServer({"EHLO": "250-mail.example\n250 SIZE 1000000"}) as server:
        assert kinds(door_to(server)) == ["sent"] * 4
    assert not [raw for raw in written if b".\r\nMAIL" in raw]


@pytest.mark.parametrize(
    "unfit",
    [
        Outgoing("a@verdicts.example", "bob@example.com", b"x" * 200, "too large"),
        Outgoing("a@verdicts.example", "bob@example.com>\r\nRSET", b"x", "unwritable"),
    ],
    ids=lambda letter: letter.name,
)
def test_a_letter_that_cannot_go_is_not_announced(unfit: Outgoing, written: list[bytes]) -> None:
    with ScriptedServer({"EHLO": "250-mail.example\n250-PIPELINING\n250 SIZE 100"}) as server:
        [alice, charlie] = letters(("alice", "charlie"))
        outcomes = sent(door_to(server), [alice, unfit, charlie])
    assert [outcome.kind for outcome in outcomes] == ["sent", outcomes[1].kind, "sent"]
    assert outcomes[1].kind in ("relay", "refused")
    assert not [raw for raw in written if b".\r\nMAIL" in raw]


@pytest.mark.parametrize(
    ("step", "replies", "expected"),
    [
        ("RCPT", ["250 Ok", "550 5.1.1 Nobody", "250 Ok"], "refused"),
        ("RCPT", ["250 Ok", "450 4.2.1 Greylisted", "250 Ok"], "deferred"),
        ("DATA", ["354 Go on", "554 5.6.0 No", "354 Go on"], "refused"),
        ("DATA", ["354 Go on", "451 4.5.0 Hm", "354 Go on"], "deferred"),
        ("dot", ["250 Ok", "554 5.7.1 Spam", "250 Ok"], "refused"),
        ("dot", ["250 Ok", "451 4.3.0 Later", "250 Ok"], "relay"),
    ],
)
def test_an_announced_letter_may_be_refused_and_the_next_goes_out(step: str, replies: list[str], expected: str) -> None:
    with ScriptedServer({step: replies}) as server:
        assert kinds(door_to(server)) == ["sent", expected, "sent", "sent"]
    assert server.connections == 1
    alice, _, charlie, dora = [letter.message for letter in letters()]
    assert server.taken == [alice, charlie, dora]


@pytest.mark.parametrize("reply", ["554 5.7.1 Spam", "451 4.3.0 Later"])
def test_the_refusal_of_one_letter_is_not_the_next_ones(reply: str) -> None:
    with ScriptedServer({"dot": [reply, "250 Ok"]}) as server:
        assert kinds(door_to(server))[1:] == ["sent"] * 3
    assert server.taken == [letter.message for letter in letters()[1:]]


@pytest.mark.parametrize("end", [HANG_UP, "421 4.3.2 Closing", "What?"])
def test_what_was_announced_is_sent_anew_when_the_letter_before_it_ends_the_connection(end: str) -> None:
    with ScriptedServer({"dot": [end, "250 Ok"]}) as server:
        first, *others = kinds(door_to(server))
    assert first == ("relay" if end.startswith("421") else "unknown")
    assert others == ["sent"] * 3
    assert server.taken == [letter.message for letter in letters()[1:]]
    assert server.connections == 2


@pytest.mark.parametrize("end", [HANG_UP, "421 4.7.0 Enough on this connection"])
def test_a_server_that_hangs_up_after_so_many_letters_costs_nothing(end: str, written: list[bytes]) -> None:
    with ScriptedServer({"MAIL": ["250 Ok", "250 Ok", end, "250 Ok"]}) as server:
        assert kinds(door_to(server), (*PEOPLE, "edgar")) == ["sent"] * 5
    assert server.connections == 2
    assert sum(b".\r\nMAIL" in raw for raw in written) == 3, "it heeds announcements, so they go on"


EIGHT = (*PEOPLE, "edgar", "frida", "gustav", "hanna")
ANNOUNCED_FAIL = ["250 Ok", "{}", "250 Ok", "250 Ok", "{}", "250 Ok", "250 Ok", "{}", "250 Ok"]


@pytest.mark.parametrize(
    "script",
    [
        {"deaf": "deaf"},
        {"MAIL": [said.format("503 5.5.1 One at a time") for said in ANNOUNCED_FAIL]},
        {"MAIL": [said.format(HANG_UP) for said in ANNOUNCED_FAIL]},
    ],
    ids=["does not hear it", "refuses it", "hangs up"],
)
def test_to_a_server_that_does_not_heed_announcements_nothing_further_is_announced(
    script: dict[str, object], written: list[bytes]
) -> None:
    with ScriptedServer(script) as server:
        door = door_to(server, TimeOuts(connect=5, command=0.2, dot=5))
        assert kinds(door, EIGHT) == ["sent"] * 8
    assert sum(b".\r\nMAIL" in raw for raw in written) == 3
    assert server.taken == [letter.message for letter in letters(EIGHT)]


@pytest.mark.parametrize("end", [HANG_UP, RESET, "421 4.4.2 Waited too long"])
def test_a_server_that_waited_too_long_for_an_announced_letter_gets_it_anew(end: str) -> None:
    go_ahead = "354 Go on\n" + end if end.startswith("421") else "354 Go on"
    script = {
        "DATA": ["354 Go on", go_ahead, "354 Go on"],
        "letter": ["is read", RESET if end == RESET else HANG_UP, "is read"],
    }
    [alice, bob] = letters(PEOPLE[:2])
    with ScriptedServer(script) as server:
        door = door_to(server)
        assert door.send(alice, lambda: bob).kind == "sent"
        until(lambda: server.closed == 1, "the server has gone")
        assert door.send(bob).kind == "sent"
    assert server.taken == [alice.message, bob.message]
    assert server.connections == 2


def test_what_is_said_behind_a_go_ahead_is_no_answer_to_the_letter() -> None:
    with ScriptedServer({"DATA": "354 Go on\n250 Ok", "dot": "554 5.7.1 Spam"}) as server:
        assert kinds(door_to(server), PEOPLE[:1]) == ["relay"]
    assert server.taken == []


def test_another_letter_than_the_announced_one_takes_another_connection() -> None:
    [alice, bob, charlie] = letters(PEOPLE[:3])
    with ScriptedServer() as server:
        door = door_to(server)
        assert door.send(alice, lambda: bob).kind == "sent"
        assert door.send(charlie).kind == "sent"
        assert door.send(alice, lambda: bob).kind == "sent"
        door.close()
    assert server.letters == [alice.message, charlie.message, alice.message]
    assert server.connections == 2
    assert "QUIT" not in server.heard, "it would have been the first line of a letter"


def test_an_announced_letter_that_nobody_could_send_now_is_the_relays() -> None:
    with ScriptedServer({"RCPT": ["250 Ok", "452 4.3.1 No space", "250 Ok"]}) as server:
        assert kinds(door_to(server), PEOPLE[:3]) == ["sent", "relay", "sent"]
    assert server.connections == 1


def test_silence_after_an_announcement_costs_a_wait_and_no_letter() -> None:
    with ScriptedServer({"MAIL": ["250 Ok", "250 Ok", SILENCE, "250 Ok"]}) as server:
        door = door_to(server, TimeOuts(connect=5, command=0.2, dot=5))
        assert kinds(door) == ["sent"] * 4


def test_a_letter_whose_dot_has_left_is_judged_by_its_answer_though_the_rest_did_not_leave(
    monkeypatch: pytest.MonkeyPatch, written: list[bytes]
) -> None:
    real, torn = SmtpConnection._some_sent, list[int]()

    def tear(self: SmtpConnection, raw: bytes | memoryview) -> int:
        end = bytes(raw).find(b"\r\n.\r\nMAIL")
        if end >= 0 and not torn:
            torn.append(end)
            return real(self, bytes(raw)[: end + 7])  # the dot and two letters of what is behind it
        if len(torn) == 1:
            torn.append(0)
            raise BlockingIOError
        return real(self, raw)

    monkeypatch.setattr(SmtpConnection, "_some_sent", tear)
    with ScriptedServer() as server:
        assert kinds(door_to(server)) == ["sent"] * 4
    assert torn
    assert sum(b".\r\nMAIL" in raw for raw in written) == 3, "it is not the server that failed to heed"
    assert server.connections == 2
    assert server.taken == [letter.message for letter in letters()]


def test_a_letter_whose_dot_has_not_left_has_not_been_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SmtpConnection._some_sent

    def tear(self: SmtpConnection, raw: bytes | memoryview) -> int:
        end = bytes(raw).find(b"\r\n.\r\nMAIL")
        if end >= 0:
            real(self, bytes(raw)[: end + 3])
            raise ConnectionResetError
        return real(self, raw)

    monkeypatch.setattr(SmtpConnection, "_some_sent", tear)
    [alice, bob] = letters(PEOPLE[:2])
    with ScriptedServer() as server:
        outcome = door_to(server).send(alice, lambda: bob)
    assert (outcome.kind, outcome.stage) == ("relay", "data")
    assert server.taken == []


ANSWERS = {
    "MAIL": st.sampled_from(["250 Ok", "250 Ok", "450 4.1.8 Later", "421 Closing", HANG_UP, "250 a\n250 b"]),
    "RCPT": st.sampled_from(["250 Ok", "250 Ok", "550 5.1.1 Nobody", "450 4.2.1 Later", "421 Closing", HANG_UP]),
    "DATA": st.sampled_from(["354 Go on", "354 Go on", "554 5.6.0 No", "451 Later", "250 Ok", "421 Closing", HANG_UP]),
    "letter": st.sampled_from(["is read", "is read", "is read", HANG_UP, RESET]),
    "dot": st.sampled_from(["250 Ok", "250 Ok", "554 Spam", "451 Later", "354 What?", "421 Closing", HANG_UP]),
}


def _scripts() -> st.SearchStrategy[dict[str, list[str]]]:
    return st.fixed_dictionaries({step: st.lists(said, min_size=1, max_size=6) for step, said in ANSWERS.items()})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=_scripts(), announced=st.lists(st.booleans(), min_size=7, max_size=7))
def test_whatever_the_server_says_no_letter_is_counted_wrongly(
    script: dict[str, list[str]], announced: list[bool]
) -> None:
    given = letters([f"reader-{number}" for number in range(8)])
    after = [following if so else None for so, following in zip(announced, given[1:], strict=True)]
    with ScriptedServer(dict(script)) as server:
        door = door_to(server)
        outcomes = [
            door.send(letter, lambda following=following: following)
            for letter, following in zip(given, (*after, None), strict=True)
        ]
    for letter, outcome in zip(given, outcomes, strict=True):
        times = server.taken.count(letter.message)
        assert times <= 1, "nobody gets a letter twice"
        if outcome.kind != "unknown":
            assert times == (outcome.kind == "sent"), outcome
