"""The mail server's door: every failure at every step becomes an outcome, and no letter is counted wrongly."""

import itertools
import socket

import pytest

from db.settings import Settings
from emails.transports import Outcome, Outgoing, TimeOuts, open_transport, transport_of
from emails.transports.smtp import SmtpTransport
from tests.crash.processes import until
from tests.emails.scripted_smtp import HANG_UP, SILENCE, ScriptedServer

LETTER = b"Subject: Larkspur\r\n\r\nShip it.\r\n"
PLAIN_EHLO = "250 mail.example"
STEPS = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot")
SHORT = TimeOuts(connect=5, command=0.5, dot=0.5)


def door_to(server: ScriptedServer, time_outs: TimeOuts | None = None) -> SmtpTransport:
    door = open_transport(f"smtp://127.0.0.1:{server.port}", time_outs or TimeOuts(5, 5, 5))
    assert isinstance(door, SmtpTransport)
    return door


def send(door: SmtpTransport, to: str = "alice@example.com") -> Outcome:
    return door.send(letter(to))


def letter(to: str = "alice@example.com", message: bytes = LETTER) -> Outgoing:
    return Outgoing("digest+b-1@verdicts.example", to, message, "delivery-1")


@pytest.fixture(params=["pipelining", "step by step"])
def ehlo(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the server offers: everything runs with PIPELINING and without."""
    return {} if request.param == "pipelining" else {"EHLO": PLAIN_EHLO}


def test_letters_go_out_over_one_kept_connection(ehlo: dict[str, str]) -> None:
    with ScriptedServer(dict(ehlo)) as server:
        door = door_to(server)
        assert door.connect() is None
        for person in ("alice", "bob", "charlie"):
            outcome = send(door, f"{person}@example.com")
            assert (outcome.kind, outcome.code, outcome.stage) == ("sent", 250, "dot")
            assert outcome.reply == "250 2.0.0 Ok: queued as 1A2B"
        door.close()
    assert server.letters == [LETTER] * 3
    assert server.connections == 1
    assert "RCPT TO:<bob@example.com>" in server.heard
    assert server.heard[-1] == "QUIT"


def test_the_sender_has_time_for_other_work_once_the_whole_letter_has_left(ehlo: dict[str, str]) -> None:
    with ScriptedServer({**ehlo, "RCPT": [*["250 2.1.5 Ok"] * 2, "550 5.1.1 Nobody"]}) as server:
        door, had = door_to(server), []

        def meanwhile() -> None:
            until(lambda: len(server.letters) > len(had), "the server has the letter")
            had.append(server.letters[-1])

        for _ in range(3):
            door.send(letter(), meanwhile=meanwhile)
        assert had == [LETTER] * 2, "of a refused letter there is no answer to wait for"


def test_the_size_is_said_when_the_server_asks_for_it() -> None:
    with ScriptedServer() as server:
        assert send(door_to(server)).kind == "sent"
    assert f"MAIL FROM:<digest+b-1@verdicts.example> SIZE={len(LETTER)}" in server.heard


def test_a_letter_larger_than_the_server_takes_is_not_begun() -> None:
    with ScriptedServer({"EHLO": "250-mail.example\n250 SIZE 20"}) as server:
        door = door_to(server)
        outcome = send(door)
        assert (outcome.kind, outcome.stage) == ("relay", "mail")
        assert "20 bytes at most" in outcome.reply
        assert not [line for line in server.heard if line.startswith("MAIL")]


REFUSALS = [
    ("RCPT", "550 5.1.1 No such user", "refused", "rcpt"),
    ("RCPT", "550 No such user", "refused", "rcpt"),
    ("RCPT", "501 5.1.3 Bad address", "refused", "rcpt"),
    ("RCPT", "554 5.7.1 Not wanted", "relay", "rcpt"),
    ("RCPT", "450 4.2.1 Greylisted", "deferred", "rcpt"),
    ("RCPT", "451 4.7.1 Slow down", "relay", "rcpt"),
    ("RCPT", "452 4.2.2 Mailbox full", "deferred", "rcpt"),
    ("RCPT", "452 4.1.1 Later", "deferred", "rcpt"),
    ("RCPT", "452 4.5.3 Too many recipients", "relay", "rcpt"),
    ("RCPT", "452 Too much", "relay", "rcpt"),
    ("RCPT", "530 5.7.0 Log in first", "relay", "rcpt"),
    ("RCPT", "454 4.7.1 Relay access denied", "relay", "rcpt"),
    ("RCPT", "503 5.5.1 Bad sequence", "relay", "rcpt"),
    ("MAIL", "550 5.7.1 Your address is listed", "relay", "mail"),
    ("MAIL", "553 5.1.8 Sender refused", "relay", "mail"),
    ("MAIL", "552 5.3.4 Too large", "relay", "mail"),
    ("MAIL", "451 4.3.0 Trouble", "relay", "mail"),
    ("MAIL", "451 4.7.1 Slow down", "relay", "mail"),
    ("MAIL", "450 4.1.8 Sender unknown just now", "relay", "mail"),
    ("MAIL", "452 4.3.1 No space", "relay", "mail"),
    ("DATA", "451 4.3.0 Trouble", "relay", "data"),
    ("DATA", "451 4.5.0 Hm", "deferred", "data"),
    ("DATA", "554 5.6.0 No", "refused", "data"),
    ("dot", "554 5.7.1 Looks like spam", "refused", "dot"),
    ("dot", "552 5.3.4 Too large", "refused", "dot"),
    ("dot", "451 4.3.0 Try again", "relay", "dot"),
    ("dot", "451 4.2.0 Try again", "deferred", "dot"),
    ("dot", "452 4.3.1 No space", "relay", "dot"),
]


@pytest.mark.parametrize(("step", "reply", "kind", "stage"), REFUSALS)
def test_a_refusal_is_named_by_what_to_do_and_the_next_letter_goes_out(
    ehlo: dict[str, str], step: str, reply: str, kind: str, stage: str
) -> None:
    with ScriptedServer(ehlo | {step: [reply, "354 Go on" if step == "DATA" else "250 2.0.0 Ok"]}) as server:
        door = door_to(server)
        outcome = send(door)
        assert (outcome.kind, outcome.code, outcome.stage) == (kind, int(reply[:3]), stage)
        assert outcome.reply == reply
        assert outcome.status == (reply.split(" ")[1] if reply[4:5].isdigit() and reply[5:6] == "." else None)
        assert send(door, "bob@example.com").kind == "sent"
    assert server.connections == 1


@pytest.mark.parametrize("answer", ["554 5.5.1 No valid recipients", "250 2.0.0 Ok: queued as nothing"])
def test_a_go_ahead_without_a_recipient_gets_a_lone_dot_and_is_never_counted_as_sent(answer: str) -> None:
    with ScriptedServer({"RCPT": ["550 5.1.1 No such user", "250 Ok"], "dot": [answer, "250 Ok"]}) as server:
        door = door_to(server)
        assert send(door) == Outcome("refused", 550, "550 5.1.1 No such user", "rcpt", "address")
        assert server.letters == [b""]
        assert send(door, "bob@example.com").kind == "sent"
    assert server.letters == [b"", LETTER]
    assert "RSET" not in server.heard


@pytest.mark.parametrize("end", [HANG_UP, "421 4.3.2 Closing"])
@pytest.mark.parametrize("step", ["DATA", "dot"])
def test_a_refused_recipient_stays_refused_when_the_connection_then_ends(step: str, end: str) -> None:
    with ScriptedServer({"RCPT": ["550 5.1.1 No such user", "250 Ok"], step: [end, WELL_AGAIN[step]]}) as server:
        door = door_to(server)
        assert send(door).kind == "refused"
        assert send(door, "bob@example.com").kind == "sent"
    assert server.connections == 2


WELL_AGAIN = {"MAIL": "250 Ok", "RCPT": "250 Ok", "DATA": "354 Go on", "dot": "250 Ok"}


def test_a_refused_sender_whose_letter_is_asked_for_gets_a_lone_dot_too() -> None:
    with ScriptedServer({"MAIL": "550 5.7.1 No", "dot": "503 5.5.1 What?"}) as server:
        outcome = send(door_to(server))
        assert (outcome.kind, outcome.stage) == ("relay", "mail")
    assert server.letters == [b""]


def test_a_refused_letter_is_taken_back_before_the_next(ehlo: dict[str, str]) -> None:
    script = {"RCPT": "550 5.1.1 No such user", "DATA": "554 5.5.1 No valid recipients"}
    with ScriptedServer(ehlo | script) as server:
        door = door_to(server)
        assert send(door).kind == send(door).kind == "refused"
    assert server.heard.count("RSET") == 2
    assert server.connections == 1


def expected(step: str) -> tuple[str, str]:
    stage = {"EHLO": "hello"}.get(step, step.lower())
    return ("unknown" if step == "dot" else "relay"), stage


@pytest.mark.parametrize("step", STEPS)
def test_a_lost_connection_is_safe_to_repeat_until_the_final_dot(ehlo: dict[str, str], step: str) -> None:
    with ScriptedServer(ehlo | {step: HANG_UP}) as server:
        outcome = send(door_to(server))
    assert (outcome.kind, outcome.stage) == expected(step)
    assert outcome.code is None
    assert outcome.reply


@pytest.mark.parametrize("step", STEPS)
def test_silence_ends_after_the_time_allowed(ehlo: dict[str, str], step: str) -> None:
    with ScriptedServer(ehlo | {step: SILENCE}) as server:
        outcome = send(door_to(server, SHORT))
    assert (outcome.kind, outcome.stage) == expected(step)
    assert outcome.reply.endswith("no answer in time")


def test_a_server_that_stops_taking_the_letter_has_not_got_it() -> None:
    with ScriptedServer({"EHLO": PLAIN_EHLO, "letter": SILENCE}) as server:
        outcome = door_to(server, SHORT).send(letter(message=b"x" * 76 * 500_000))
    assert (outcome.kind, outcome.stage) == ("relay", "data")
    assert "no answer in time" in outcome.reply


def test_a_server_that_speaks_too_slowly_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = itertools.count(step=3600.0)
    with ScriptedServer() as server:
        door = door_to(server)
        assert door.connect() is None
        monkeypatch.setattr("emails.transports.smtp_connection.monotonic", lambda: next(hours))
        outcome = send(door)
    assert (outcome.kind, outcome.stage) == ("relay", "mail")


@pytest.mark.parametrize("step", STEPS)
def test_421_is_the_relays_at_every_step_and_the_next_letter_reconnects(ehlo: dict[str, str], step: str) -> None:
    if step == "EHLO":
        script = {"EHLO": "421 4.3.2 Closing", "HELO": "421 4.3.2 Closing"}
    else:
        script = ehlo | {step: "421 4.3.2 Closing"}
    with ScriptedServer(script) as server:
        door = door_to(server)
        outcome = send(door)
        assert (outcome.kind, outcome.code, outcome.stage) == ("relay", 421, expected(step)[1])
        server.script.clear()
        assert send(door).kind == "sent"
    assert server.connections == 2


NONSENSE = [
    "HTTP/1.1 400 Bad Request",
    "25",
    "",
    "999 What",
    "250-one\n251 two",
    "x" * 10_000,
    "250-a\n" * 300 + "250 a",
]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=range(len(NONSENSE)))
@pytest.mark.parametrize("step", STEPS)
def test_a_reply_that_is_not_smtp_ends_the_connection(step: str, nonsense: str) -> None:
    with ScriptedServer({step: nonsense}) as server:
        door = door_to(server, SHORT)
        outcome = send(door)
        assert (outcome.kind, outcome.stage) == expected(step)
        server.script.clear()
        assert send(door).kind == "sent"
    assert server.connections == 2


@pytest.mark.parametrize(("step", "reply"), [("MAIL", "354 Go on"), ("RCPT", "354 Go on"), ("DATA", "250 Ok")])
def test_a_reply_out_of_step_ends_the_connection_before_the_letter(ehlo: dict[str, str], step: str, reply: str) -> None:
    with ScriptedServer(ehlo | {step: reply}) as server:
        outcome = send(door_to(server))
    assert (outcome.kind, outcome.stage) == expected(step)
    assert not [letter for letter in server.letters if letter]


@pytest.mark.parametrize("reply", ["354 Go on", "199 Hm"])
def test_an_answer_to_the_dot_that_means_nothing_leaves_doubt(ehlo: dict[str, str], reply: str) -> None:
    with ScriptedServer(ehlo | {"dot": reply}) as server:
        assert send(door_to(server)).kind == "unknown"


def test_one_answer_too_many_never_passes_for_the_next_letters(ehlo: dict[str, str]) -> None:
    with ScriptedServer(ehlo | {"dot": ["250 Ok\n250 Ok", "250 Ok"]}) as server:
        door = door_to(server)
        assert send(door).kind == "sent"
        assert send(door).kind == "relay"
        assert send(door).kind == "sent"
    assert [letter for letter in server.letters if letter] == [LETTER, LETTER]


def test_replies_of_several_lines_are_read_whole(ehlo: dict[str, str]) -> None:
    script = ehlo | {"RCPT": "550-5.1.1 No such user\n550-5.1.1 here, sorry\n550", "DATA": "554 None"}
    with ScriptedServer(script) as server:
        outcome = send(door_to(server))
    assert (outcome.kind, outcome.code, outcome.status) == ("refused", 550, "5.1.1")
    assert outcome.reply == "550 5.1.1 No such user 5.1.1 here, sorry"


def test_a_reply_in_another_alphabet_becomes_printable(ehlo: dict[str, str]) -> None:
    with ScriptedServer(ehlo | {"dot": "554 \xfcberf\xfcllt \x1b[31m"}) as server:
        assert send(door_to(server)).reply == "554 berf llt [31m"


@pytest.mark.parametrize("end", [HANG_UP, "421 4.4.2 Idle for too long"])
def test_an_idle_connection_that_the_server_closed_costs_nothing(ehlo: dict[str, str], end: str) -> None:
    with ScriptedServer(ehlo | {"MAIL": ["250 Ok", end, "250 Ok"]}) as server:
        door = door_to(server)
        assert [send(door).kind for _ in range(3)] == ["sent", "sent", "sent"]
    assert server.connections == 2
    assert server.letters == [LETTER] * 3


@pytest.mark.parametrize(
    "full",
    [
        "452 4.5.3 Too many recipients: Too many messages sent",
        "450 4.7.0 Maximum number of messages per connection reached",
        "421 4.7.0 Too many messages in this session",
    ],
)
def test_a_session_that_has_had_its_letters_is_followed_by_another(ehlo: dict[str, str], full: str) -> None:
    with ScriptedServer(ehlo | {"MAIL": ["250 Ok", "250 Ok", full, "250 Ok", "250 Ok", full, "250 Ok"]}) as server:
        door = door_to(server)
        assert [send(door).kind for _ in range(5)] == ["sent"] * 5
    assert server.connections == 3
    assert server.taken == [LETTER] * 5


@pytest.mark.parametrize("full", ["421 4.7.0 Too many messages in this session", "450 4.7.1 10 mails per connection"])
def test_a_session_whose_end_is_told_at_rcpt_is_followed_by_another(ehlo: dict[str, str], full: str) -> None:
    with ScriptedServer(ehlo | {"RCPT": ["250 Ok", "250 Ok", full, "250 Ok"]}) as server:
        door = door_to(server)
        assert [send(door).kind for _ in range(4)] == ["sent"] * 4
    assert server.connections == 2
    assert server.taken == [LETTER] * 4


def test_too_many_letters_to_one_recipient_end_no_session(ehlo: dict[str, str]) -> None:
    with ScriptedServer(
        ehlo | {"RCPT": ["250 Ok", "450 4.2.1 Too many messages for this mailbox", "250 Ok"]}
    ) as server:
        door = door_to(server)
        assert [send(door).kind for _ in range(3)] == ["sent", "deferred", "sent"]
    assert server.connections == 1


def test_a_first_letter_that_is_one_too_many_is_the_relays_refusal(ehlo: dict[str, str]) -> None:
    with ScriptedServer(ehlo | {"MAIL": "452 4.5.3 Too many messages sent"}) as server:
        assert [send(door_to(server)).kind for _ in range(2)] == ["relay", "relay"]
    assert server.connections == 2


def test_a_server_that_closes_again_at_once_is_the_relays_refusal() -> None:
    with ScriptedServer({"MAIL": ["250 Ok", HANG_UP, HANG_UP, "250 Ok"]}) as server:
        door = door_to(server)
        assert [send(door).kind for _ in range(3)] == ["sent", "relay", "sent"]


def test_a_server_that_cannot_be_reached_is_the_relays_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    door = open_transport(f"smtp://127.0.0.1:{port}")
    refusal = door.connect()
    assert refusal == Outcome("relay", None, f"127.0.0.1:{port}: connection refused", "connect", "relay")
    assert send(door) == refusal


@pytest.mark.parametrize("greeting", ["554 5.7.1 Go away", "450 4.3.2 Later", "220-hi\n221 bye"])
def test_an_unfriendly_greeting_is_the_relays_refusal(greeting: str) -> None:
    with ScriptedServer({"greeting": greeting}) as server:
        refusal = door_to(server).connect()
    assert refusal is not None
    assert (refusal.kind, refusal.stage) == ("relay", "greeting")


@pytest.mark.parametrize(
    ("host", "ehlo", "said"),
    [
        ("mail.host.example", None, "mail.host.example"),
        ("gate", None, "verdicts.example"),
        ("localhost.localdomain", None, "verdicts.example"),
        ("site_worker_1.site_default", None, "verdicts.example"),
        ("mail.host.example", "[192.0.2.7]", "[192.0.2.7]"),
        ("gate", "out.verdicts.example", "out.verdicts.example"),
    ],
)
def test_we_are_called_by_our_host_or_by_our_domain(
    monkeypatch: pytest.MonkeyPatch, host: str, ehlo: str | None, said: str
) -> None:
    monkeypatch.setattr("emails.transports.smtp_connection._own_name", lambda: host)
    with ScriptedServer() as server:
        given = Settings(mail_url=f"smtp://127.0.0.1:{server.port}", mail_from="a@verdicts.example", mail_ehlo=ehlo)
        door = transport_of(given)
        assert door.connect() is None
        door.close()
    assert server.heard[0] == f"ehlo {said}"


def test_an_old_server_is_greeted_with_helo() -> None:
    with ScriptedServer({"EHLO": "502 5.5.2 What?", "HELO": "250 mail.example"}) as server:
        assert send(door_to(server)).kind == "sent"


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ({"EHLO": "421 4.3.2 Busy", "HELO": HANG_UP}, 421, "421 4.3.2 Busy"),
        ({"EHLO": "550 5.7.1 Your host is blocked", "HELO": HANG_UP}, 550, "550 5.7.1 Your host is blocked"),
        ({"EHLO": "502 What?", "HELO": "550 5.7.1 Your host is blocked"}, 550, "550 5.7.1 Your host is blocked"),
    ],
)
def test_a_refusal_of_our_hello_is_told_in_the_server_s_words(script: dict[str, str], code: int, words: str) -> None:
    with ScriptedServer(script) as server:
        refusal = door_to(server).connect()
    assert refusal is not None
    assert (refusal.kind, refusal.code, refusal.reply, refusal.stage) == ("relay", code, words, "hello")


def test_a_time_limit_in_the_middle_of_a_letter_leaves_a_clean_door(monkeypatch: pytest.MonkeyPatch) -> None:
    class TimeLimit(BaseException):
        pass

    def out_of_time(*_: object) -> Outcome:
        raise TimeLimit

    with ScriptedServer() as server:
        door = door_to(server)
        with monkeypatch.context() as patch:
            patch.setattr("emails.transports.smtp_connection.SmtpConnection.acceptance", out_of_time)
            with pytest.raises(TimeLimit):
                send(door)
        assert send(door).kind == "sent"
    assert server.connections == 2


@pytest.mark.parametrize("to", ["alice@example.com>\r\nRCPT TO:<bob@example.com", "zoë@example.com", "", "alice"])
def test_an_address_that_could_break_out_never_reaches_the_server(to: str) -> None:
    with ScriptedServer() as server:
        outcome = send(door_to(server), to)
        assert (outcome.kind, outcome.stage) == ("refused", "rcpt")
        assert server.connections == 0
