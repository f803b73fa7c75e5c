"""`verdicts bounces read` as a mail server's pipe and over files; a dry run needs no database at all."""

import contextlib
import json
import os
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from db.session import writing
from tests import returned
from tests.returned import bounce, suppressed
from tests.transports import digest
from web.cli import main
from web.cli.bounces import TRY_AGAIN

ALICE = "reader-1@reader.example"


def run(*words: str, mail: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["bounces", "read", *words], input=mail)


@pytest.fixture
def sent(database, clock) -> None:
    digest(clock, 2)
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'sent'"))


def test_a_dry_run_says_a_line_for_each_file_and_asks_no_database(house):
    token = "0123456789" * 4
    mails = {
        "hard": bounce(token, ALICE),
        "soft": bounce(token, ALICE, "452 4.2.2 <{}>: mailbox full"),
        "content": bounce(token, ALICE, "550 5.7.1 <{}>: rejected as spam"),
        "complaint": returned.complaint("<x@verdicts.example>", recipient=ALICE),
        "auto": returned.vacation(token, ALICE),
        "none": returned.answer("<x@verdicts.example>", ALICE),
    }
    for name, mail in mails.items():
        (house / name).write_bytes(mail)
    done = run("--dry-run", "--json", *mails)
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert [line["kind"] for line in lines] == list(mails)
    assert all(line == {"recipients": [ALICE], "kind": line["kind"]} for line in lines)
    assert not (house / "var").exists()
    delayed = run("--dry-run", "--json", mail=bounce(token, ALICE, "452 4.2.2 <{}>: mailbox full", "delayed"))
    assert json.loads(delayed.output)["kind"] == "soft"


@pytest.mark.once
def test_a_whole_folder_can_be_named_however_few_files_may_be_open(house):
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = max(map(int, os.listdir("/proc/self/fd"))) + 20
    names = [f"mail-{number}" for number in range(limit)]
    for name in names:
        (house / name).write_bytes(b"Subject: hello\n\n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
    try:
        done = run("--dry-run", "--json", *names)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, len(names))


def test_a_mail_through_the_pipe_is_stored_once_and_workers_do_what_follows(sent):
    mail = bounce(returned.verp(ALICE), ALICE)
    for _ in range(2):
        done = run("--json", mail=mail)
        assert (done.exit_code, json.loads(done.output)) == (
            0,
            {"recipients": [ALICE], "kind": "hard", "stored": True},
        )
    assert len(returned.kept()) == 1
    returned.work()
    assert suppressed() == {ALICE: "hard bounce"}


@pytest.mark.once
def test_what_nobody_proves_and_what_people_write_is_not_stored(sent):
    for mail in (bounce("f" * 40, ALICE), returned.answer(returned.message_id(ALICE), ALICE)):
        done = run(mail=mail)
        assert done.exit_code == 0
        assert "so nothing was stored" in done.output
    assert returned.kept() == []


@pytest.mark.once
def test_a_mail_server_is_asked_to_try_again_while_there_is_no_database(house):
    done = run(mail=b"Subject: any\n\n")
    assert done.exit_code == TRY_AGAIN
    assert "not set up" in done.stderr


@pytest.mark.once
def test_more_than_ten_mebibytes_are_not_read(house, monkeypatch):
    monkeypatch.setattr("web.cli.bounces.events.LARGEST", 100)
    done = run("--dry-run", mail=b"x" * 101)
    assert done.exit_code == 65, "the mail server must not take it for read"
    assert done.stderr == "Error: The mail is larger than 10 MiB, and was not read.\n"
    assert done.stdout == ""


@pytest.mark.once
def test_a_mail_server_is_asked_to_try_again_whatever_fails(sent, monkeypatch):
    mail = bounce(returned.verp(ALICE), ALICE)
    failing = {
        "web.cli.bounces.read": ZeroDivisionError("a fault of ours"),
        "web.cli.bounces.events.record": OSError(28, "No space left on device"),
        "web.cli.bounces.click.open_file": RuntimeError("Was not able to determine binary stream for sys.stdin."),
    }
    for place, error in failing.items():
        with monkeypatch.context() as patch:
            patch.setattr(place, _raising(error))
            done = run(mail=mail)
        assert (done.exit_code, done.stdout) == (TRY_AGAIN, ""), place
        assert done.stderr.splitlines()[-1].startswith("Error: "), place
    assert returned.kept() == []


def _raising(error: Exception):
    def fails(*_, **__):
        raise error

    return fails


@pytest.mark.once
def test_a_mail_whose_answer_cannot_be_written_comes_again_and_is_stored_once(sent, monkeypatch):
    mail = bounce(returned.verp(ALICE), ALICE)
    with monkeypatch.context() as patch:
        patch.setattr("web.cli.bounces.click.echo", _raising(BrokenPipeError(32, "Broken pipe")))
        assert run("--json", mail=mail).exit_code == TRY_AGAIN
    assert run(mail=mail).exit_code == 0
    assert len(returned.kept()) == 1


@pytest.mark.long
@pytest.mark.once
def test_a_full_disk_behind_the_answer_and_a_closed_input_are_told_in_a_sentence(house):
    command = shlex.join([str(Path(sys.executable).with_name("verdicts")), "bounces", "read", "--dry-run"])
    for redirected, said in {
        f"{command} < mail > /dev/full": "Error: The answer could not be written: No space left on device.\n",
        f"{command} <&-": "Error: The mail was not read: standard input is closed.\n",
    }.items():
        (house / "mail").write_bytes(b"Subject: hello\n\n")
        done = subprocess.run(["sh", "-c", redirected], cwd=house, capture_output=True, text=True, timeout=100)
        assert (done.returncode, done.stderr) == (TRY_AGAIN, said)


@pytest.mark.once
def test_a_mail_that_is_too_large_is_taken_to_its_end(house, monkeypatch):
    """A mail server that cannot write all of it could take that for a failure to deliver."""
    monkeypatch.setattr("web.cli.bounces.events.LARGEST", 100)
    (house / "mail").write_bytes(b"x" * 3_000_000)
    with (house / "mail").open("rb") as opened:
        monkeypatch.setattr("web.cli.bounces.click.open_file", lambda *_: contextlib.nullcontext(opened))
        assert run("mail").exit_code == 65
        assert opened.read() == b""
