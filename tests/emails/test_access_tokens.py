"""A command prints an access token, and nobody but the mail server gets to see it."""

import base64
import logging
import time
from pathlib import Path

import pytest

from emails.transports import Outgoing, TimeOuts, access_tokens, open_transport
from emails.transports.access_tokens import AccessTokens, NoToken, Token
from emails.transports.smtp import SmtpTransport
from tests.emails.scripted_smtp import HANG_UP, ScriptedServer

EHLO = "250-mail.example\n250-PIPELINING\n250 AUTH LOGIN XOAUTH2"
CHALLENGE = "334 " + base64.b64encode(b'{"status":"401","schemes":"bearer"}').decode()
LETTER = Outgoing("digest@verdicts.example", "alice@example.com", b"Subject: Larkspur\r\n\r\nShip it.\r\n", "1")


@pytest.fixture
def command(tmp_path: Path) -> str:
    """Prints sesame1, then sesame2, and so on."""
    return f"cd '{tmp_path}' && echo >> asked && echo sesame$(wc -l < asked) && echo sesame-said >&2"


def asked(folder: Path) -> int:
    return len((folder / "asked").read_text().splitlines())


def door_to(server: ScriptedServer, command: str) -> SmtpTransport:
    url = f"smtp://digest%40verdicts.example@127.0.0.1:{server.port}"
    door = open_transport(url, TimeOuts(5, 5, 5), token_command=command)
    assert isinstance(door, SmtpTransport)
    return door


def tokens_heard(server: ScriptedServer) -> list[str]:
    first = [line.split(" ")[2] for line in server.heard if line.startswith("AUTH XOAUTH2 ")]
    return [base64.b64decode(each).decode() for each in first]


def start(token: str) -> str:
    return f"user=digest@verdicts.example\1auth=Bearer {token}\1\1"


def test_letters_go_out_with_a_token_that_is_asked_for_once(tmp_path: Path, command: str) -> None:
    with ScriptedServer({"EHLO": EHLO}) as server:
        for _ in range(3):
            door = door_to(server, command)
            assert door.send(LETTER).kind == "sent"
            door.close()
    assert tokens_heard(server) == [start("sesame1")] * 3
    assert asked(tmp_path) == 1


def test_a_token_that_has_run_out_is_asked_for_anew_and_no_letter_loses_an_attempt(
    tmp_path: Path, command: str
) -> None:
    script = {"EHLO": EHLO, "AUTH": ["235 2.7.0 Ok", CHALLENGE, "235 2.7.0 Ok"], "": "535 5.7.3 Expired"}
    script["MAIL"] = ["250 Ok", HANG_UP, "250 Ok"]
    with ScriptedServer(script) as server:
        door = door_to(server, command)
        assert [door.send(LETTER).kind for _ in range(2)] == ["sent", "sent"]
    assert tokens_heard(server) == [start("sesame1"), start("sesame1"), start("sesame2")]
    assert "" in server.heard  # the empty answer to the challenge
    assert asked(tmp_path) == 2


def test_a_login_that_ends_with_its_token_amid_a_session_is_made_anew(tmp_path: Path, command: str) -> None:
    script = {"EHLO": EHLO, "AUTH": ["235 2.7.0 Ok", "535 5.7.3 Expired", "235 2.7.0 Ok"]}
    script["MAIL"] = ["250 Ok", "250 Ok", "530 5.7.0 Authentication required", "250 Ok"]
    with ScriptedServer(script) as server:
        door = door_to(server, command)
        assert [door.send(LETTER).kind for _ in range(4)] == ["sent"] * 4
    assert tokens_heard(server) == [start("sesame1"), start("sesame1"), start("sesame2")]
    assert len(server.taken) == 4


def test_a_server_that_wants_a_login_and_gets_none_is_asked_once_a_session() -> None:
    with ScriptedServer({"MAIL": "530 5.7.0 Must issue a STARTTLS command first"}) as server:
        door = open_transport(f"smtp://127.0.0.1:{server.port}", TimeOuts(5, 5, 5))
        assert [door.send(LETTER).kind for _ in range(2)] == ["relay"] * 2
    assert server.connections == 2


def test_a_new_token_that_is_refused_too_is_the_relays_refusal_and_is_not_kept(tmp_path: Path, command: str) -> None:
    with ScriptedServer(
        {"EHLO": EHLO, "AUTH": ["535 5.7.8 Not 'sesame1'", "535 5.7.8 No: dXNlcj1kaWdlc3RAd=="]}
    ) as server:
        refusals = [door_to(server, command).connect() for _ in range(2)]
    assert [(each.kind, each.code, each.stage) for each in refusals if each] == [("relay", 535, "login")] * 2
    assert all("sesame" not in each.reply for each in refusals if each)
    assert asked(tmp_path) == 2


def test_a_token_that_the_server_quotes_is_left_out_of_its_words() -> None:
    token = Token("ya29.a0AfH6SMBxyz-0123456789", is_kept=False)
    said = "5.7.8 AUTH XOAUTH2 dXNlcj1hAWF1dGg9QmVh... <ya29.a0AfH6SMB> cannot be decoded: 0123456789 of 12 bytes"
    told = access_tokens.without(said, token, "dXNlcj1hAWF1dGg9QmVhcmVy")
    assert told == "5.7.8 AUTH XOAUTH2 … … cannot be decoded: 0123456789 of 12 bytes"


def test_a_server_that_is_busy_does_not_refuse_the_token(tmp_path: Path, command: str) -> None:
    with ScriptedServer({"EHLO": EHLO, "AUTH": ["454 4.7.0 Later", "235 2.7.0 Ok"]}) as server:
        refusal = door_to(server, command).connect()
        assert refusal
        assert (refusal.kind, refusal.code) == ("relay", 454)
        assert door_to(server, command).connect() is None
    assert asked(tmp_path) == 1


def test_a_server_without_xoauth2_gets_no_token(command: str) -> None:
    with ScriptedServer() as server:
        refusal = door_to(server, command).connect()
    assert refusal
    assert (refusal.kind, refusal.stage) == ("relay", "login")
    assert "does not offer XOAUTH2" in refusal.reply
    assert not [line for line in server.heard if line.startswith("AUTH")]


def test_a_challenge_that_is_no_base64_is_the_relays_refusal(command: str) -> None:
    with ScriptedServer({"EHLO": EHLO, "AUTH": "334 a"}) as server:
        refusal = door_to(server, command).connect()
    assert refusal
    assert (refusal.kind, refusal.stage) == ("relay", "login")


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("echo sesame; exit 3", "exit code 3"),
        ("kill -9 $$; echo sesame", "was ended by signal 9"),
        ("echo sesame >&2", "printed no token"),
        ("printf '\\n \\n'", "printed no token"),
        ("printf 'open sesame'", "printed no token"),
        ("echo sesame; echo sesame", "one word of ASCII and nothing else"),
        ("printf 'sesame\\001'", "one word of ASCII"),
        ("yes sesame | head -c 10000000", "printed more than 65536 bytes"),
        ("/no/such/command sesame", "exit code 127"),
    ],
)
def test_a_command_that_fails_is_told_without_what_it_printed(
    printed: str, said: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer({"EHLO": EHLO}) as server:
        refusal = door_to(server, printed).connect()
    assert refusal
    assert (refusal.kind, refusal.stage) == ("relay", "login")
    assert said in refusal.reply
    assert server.connections == 0
    assert "sesame" not in refusal.reply + caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("command", ["sleep 60 & echo sesame; wait", "trap '' TERM INT; sleep 60", "cat; sleep 60"])
def test_a_command_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr(access_tokens, "SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(NoToken, match="did not end"):
        AccessTokens(command).get()
    assert time.monotonic() - began < 30


def test_a_command_that_prints_without_an_end_is_ended_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(NoToken, match="printed more than 65536 bytes"):
        AccessTokens("yes sesame").get()
    assert time.monotonic() - began < access_tokens.SECONDS


@pytest.mark.parametrize(
    "command",
    [
        "printf sesame",
        "printf '\\r\\n sesame\\r\\n'",
        'test "$(cat)" || echo sesame | { read -r each && echo $each; }',
        "sh -c 'sleep 0.1; echo sesame'",
    ],
)
def test_a_command_line_is_the_shells(command: str) -> None:
    assert AccessTokens(command).get().value == "sesame"


def test_what_a_command_leaves_running_keeps_nobody_waiting() -> None:
    began = time.monotonic()
    assert AccessTokens("sleep 60 & echo sesame").get() == ("sesame", False)
    assert time.monotonic() - began < 30
