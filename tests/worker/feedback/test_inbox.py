"""The inbox, on an IMAP server and in a Maildir: what is ours is handled and then deleted, all else stays unread."""

import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text

from db import moments
from db.feedback import events
from db.session import reading, writing
from db.setting_errors import BadSettings
from emails.inboxes import imap as imap_inbox
from emails.transports import access_tokens
from tests import localhost, returned
from tests.erasing import DANA
from tests.outside_requests import make_all
from tests.played_imap import PlayedMailbox, serving
from tests.returned import answer, bounce, leave, message_id, state_of, suppressed, vacation, verp
from tests.transports import digest
from web.actions.subscribers import subscribers as actions
from web.cli.doctor import inbox as doctor_inbox
from worker.alerts.inbox import unread_inbox
from worker.feedback import inbox

ALICE, BOB, CHARLIE = (f"reader-{number}@reader.example" for number in (1, 2, 3))
PASSWORD = "hunter2"


class MaildirBox:
    """A Maildir into which a mail server puts mails."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        for part in ("tmp", "new", "cur"):
            (folder / part).mkdir(parents=True)

    def put(self, raw: bytes) -> str:
        self.number += 1
        (self.folder / "new" / f"{self.number}.mx").write_bytes(raw)
        return f"{self.number}.mx"

    def left(self) -> list[str]:
        return sorted(str(each.relative_to(self.folder)) for each in self.folder.rglob("*.mx*"))


class ImapBox:
    """A mailbox on a played server."""

    def __init__(self, box: PlayedMailbox) -> None:
        self.box = box

    def put(self, raw: bytes) -> int:
        return self.box.put(raw)

    def left(self) -> list[int]:
        assert not any("\\Seen" in flags for flags in self.box.flags.values())
        return list(self.box.mails)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    return localhost.certificate(tmp_path_factory.mktemp("imap"))


@pytest.fixture
def played() -> PlayedMailbox:
    return PlayedMailbox()


@pytest.fixture
def imap(played, certificate, setting, monkeypatch) -> Iterator[ImapBox]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(played, certificate) as port:
        setting(INBOX_URL=f"imaps://digest%40verdicts.example:{PASSWORD}@localhost:{port}")
        yield ImapBox(played)


@pytest.fixture(params=["maildir", "imap"])
def box(request, house, setting) -> MaildirBox | ImapBox:
    if request.param == "imap":
        return request.getfixturevalue("imap")
    setting(INBOX_URL=f"maildir:{house}/inbox")
    return MaildirBox(house / "inbox")


@pytest.fixture(autouse=True)
def sent(database, clock, monkeypatch) -> None:
    monkeypatch.setattr(inbox, "_memory", inbox._Memory())
    monkeypatch.setattr(access_tokens, "of", cache(access_tokens.AccessTokens))
    digest(clock, 3)
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'sent'"))


@pytest.fixture
def look(clock) -> Callable[[], None]:
    """Let the line read the inbox, as it does once a minute."""

    def once() -> None:
        clock.forward(minutes=20)
        inbox.keep_reading()
        make_all()

    return once


def read_jobs() -> list[tuple[str, dict]]:
    with reading() as session:
        query = "SELECT state, error FROM jobs WHERE kind = 'ReadInbox' ORDER BY id"
        return [tuple(row) for row in session.execute(text(query))]


def restart(monkeypatch) -> None:
    """Another process goes on, which knows nothing of what this one has seen."""
    monkeypatch.setattr(inbox, "_memory", inbox._Memory())


def test_what_is_ours_is_handled_and_deleted_and_answers_stay_unread(box, look):
    box.put(bounce(verp(ALICE), ALICE))
    hers = box.put(answer(message_id(BOB), BOB))
    box.put(vacation(verp(BOB), BOB))
    box.put(leave(returned.leaving(CHARLIE), CHARLIE))
    forged = box.put(bounce("f" * 40, BOB))
    before = box.left()
    look()
    assert box.left() == before, "nothing goes before it was handled"
    returned.work()
    look()
    assert suppressed() == {ALICE: "hard bounce"}
    assert state_of(CHARLIE) == "unsubscribed"
    assert box.left() == ([f"new/{hers}", f"new/{forged}"] if isinstance(hers, str) else [hers, forged])
    assert [each.source for each in returned.kept()] == ["inbox"] * 3


@pytest.mark.once
@pytest.mark.parametrize(
    "header",
    [
        "From: Ann <postmaster@tiny.example>\nSubject: Re: Which one writes?",
        "From: Max Daemon <mdaemon@tiny.example>\nSubject: Hello",
        "From: Help <help@tiny.example>\nSubject: [Tiny] Which one writes?\nAuto-Submitted: auto-generated",
        "From: Ann <ann@tiny.example>\nSubject: Out of office: please pause",
    ],
)
def test_what_somebody_may_have_to_read_stays_unread_though_it_came_to_the_return_path(box, look, header):
    to = f"To: digest+b-{verp(ALICE)}@verdicts.example"
    box.put(f"{header}\n{to}\n\nYou asked:\n550 5.1.1 <{ALICE}>: User unknown\n".encode())
    before = box.left()
    for _ in range(2):
        look()
        returned.work()
    assert box.left() == before
    assert returned.kept() == []
    assert suppressed() == {}


@pytest.mark.once
def test_a_line_that_was_killed_before_it_deleted_goes_on(box, look, monkeypatch):
    box.put(bounce(verp(ALICE), ALICE))
    stays = box.put(answer(message_id(BOB), BOB))
    look()
    returned.work()
    restart(monkeypatch)
    look()
    assert len(returned.kept()) == 1
    assert box.left() == ([f"new/{stays}"] if isinstance(stays, str) else [stays])


@pytest.mark.once
def test_what_was_looked_at_is_not_read_again(box, look, monkeypatch):
    read = []
    monkeypatch.setattr(inbox, "read_bounce", lambda raw: read.append(raw) or ())
    for number in range(3):
        box.put(b"Subject: hello %d\n\n" % number)
    look()
    look()
    box.put(b"Subject: one more\n\n")
    look()
    assert len(read) == 4


@pytest.mark.once
def test_on_a_server_that_holds_after_a_restart_too(imap, look, monkeypatch):
    for _ in range(3):
        imap.put(answer(message_id(BOB), BOB))
    look()
    restart(monkeypatch)
    look()
    assert sum("BODY.PEEK" in each for each in imap.box.commands) == 3
    imap.box.validity, imap.box.mails = 8, {1: bounce(verp(ALICE), ALICE)}
    imap.box.flags = {1: set()}
    look()
    returned.work()
    look()
    assert suppressed() == {ALICE: "hard bounce"}, "after a new UIDVALIDITY numbers mean other mails"
    assert imap.left() == []


@pytest.mark.once
def test_one_that_fails_stays_and_holds_up_no_other(box, look, monkeypatch):
    failing = pytest.MonkeyPatch()
    failing.setattr("worker.feedback.handling.consequences.apply", lambda *given: 1 / 0)
    bad = box.put(bounce(verp(ALICE), ALICE))
    look()
    returned.work()
    box.put(leave(returned.leaving(CHARLIE), CHARLIE))
    look()
    returned.work()
    look()
    failing.undo()
    assert state_of(CHARLIE) == "unsubscribed"
    assert box.left() == ([f"new/{bad}"] if isinstance(bad, str) else [bad])


@pytest.mark.once
def test_a_mail_about_somebody_who_was_erased_meanwhile_goes_too(box, look, clock):
    box.put(bounce(verp(ALICE), ALICE))
    look()
    actions.erase_address(DANA, ALICE, clock.now, "She asked")
    returned.work()
    for _ in range(3):
        look()
        returned.work()
    assert box.left() == []
    assert [each.raw for each in returned.kept() if each.raw] == []


@pytest.mark.once
def test_more_than_ten_mebibytes_stay_unread(box, look, monkeypatch):
    monkeypatch.setattr(events, "LARGEST", 100)
    box.put(bounce(verp(ALICE), ALICE))
    look()
    assert len(box.left()) == 1
    assert returned.kept() == []


@pytest.mark.once
def test_one_slice_ends_and_the_next_goes_on(box, look, monkeypatch):
    monkeypatch.setattr(inbox, "SLICE", -1.0)
    for each in (ALICE, BOB, CHARLIE):
        box.put(bounce(verp(each), each))
    look()
    assert len(returned.kept()) == 3


def told_of_the_inbox() -> list[str]:
    with reading() as session:
        return [each.title for each in unread_inbox(session, moments.now())]


@pytest.mark.once
def test_the_doctor_opens_the_inbox(box, setting):
    box.put(answer(message_id(BOB), BOB))
    assert list(doctor_inbox.inbox(setting())) == [(True, "INBOX_URL can be opened; 1 mail is in it")]
    setting(INBOX_URL="maildir:nowhere")
    [(well, told)] = doctor_inbox.inbox(setting())
    assert (well, told) == (False, "INBOX_URL: nowhere/new cannot be read: No such file or directory")
    setting(INBOX_URL="", MAIL_URL="smtp://relay.example")
    [(well, told)] = doctor_inbox.inbox(setting())
    assert well is None
    assert "nothing hears of bounces" in told
    setting(WEBHOOK_SECRET="0123456789abcdef0123")
    assert list(doctor_inbox.inbox(setting())) == []


@pytest.mark.once
def test_the_doctor_says_that_mails_may_not_be_deleted(house, setting, monkeypatch):
    setting(INBOX_URL=f"maildir:{house}/inbox")
    MaildirBox(house / "inbox")
    monkeypatch.setattr("os.access", lambda *_: False)
    [(well, told)] = doctor_inbox.inbox(setting())
    assert well is False
    assert told.startswith(f"INBOX_URL: this user may not delete mails in {house}/inbox/new, ")


# ---- the job ---------------------------------------------------------------------------------------------------


def test_one_job_waits_and_those_that_are_done_are_forgotten(box, look):
    for _ in range(4):
        look()
    assert read_jobs() == [("succeeded", None), ("pending", None)]


@pytest.mark.once
def test_an_inbox_that_cannot_be_read_is_tried_for_ever(house, setting, look):
    setting(INBOX_URL=f"maildir:{house}/inbox")
    for _ in range(3):
        look()
    assert told_of_the_inbox() == []
    for _ in range(6):
        look()
    assert read_jobs() == [("pending", "InboxError")]
    assert told_of_the_inbox() == ["The inbox has not been read for 2 h 40 min"]
    box = MaildirBox(house / "inbox")
    box.put(leave(returned.leaving(CHARLIE), CHARLIE))
    look()
    returned.work()
    assert state_of(CHARLIE) == "unsubscribed"
    assert told_of_the_inbox() == []


@pytest.mark.once
def test_without_an_inbox_nothing_is_read_and_a_job_left_over_goes(box, look, setting, clock, monkeypatch):
    look()
    setting(INBOX_URL="")
    monkeypatch.setattr(inbox, "_looked_for_left_over", time.monotonic() - 10_000)
    look()
    assert read_jobs() == [("succeeded", None)]


# ---- logging in ------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_a_server_that_refuses_the_login_or_breaks_off_is_told_without_the_password(imap, look, capsys):
    imap.box.password = "another"
    look()
    imap.box.password, imap.box.breaks_at = PASSWORD, "UID SEARCH"
    look()
    with reading() as session:
        said = [*session.scalars(text("SELECT message FROM attempts WHERE outcome = 'failed' ORDER BY id"))]
    assert said[0] == "The inbox at localhost refuses the login in INBOX_URL."
    assert said[1].startswith("The inbox at localhost broke off: ")
    assert PASSWORD not in " ".join(said) + capsys.readouterr().out


def failures() -> list[str]:
    with reading() as session:
        return [*session.scalars(text("SELECT message FROM attempts WHERE outcome = 'failed' ORDER BY id"))]


@pytest.mark.once
def test_what_keeps_it_from_being_opened_is_told_in_words(imap, look, setting):
    url = setting().inbox_url
    setting(INBOX_URL=f"{url}/Bounces%2FM%C3%A4rz")
    look()
    setting(INBOX_URL=url)
    imap.box.breaks_at = "LOGIN"
    look()
    imap.box.breaks_at = "UID SEARCH"
    look()
    assert failures() == [
        "The inbox at localhost cannot be opened: it has no mailbox Bounces/März, or does not let this user read it.",
        "The inbox at localhost broke off amid the login.",
        "The inbox at localhost broke off: the connection was closed.",
    ]


@pytest.mark.once
def test_a_password_may_have_letters_beyond_ascii(imap, look, setting, capsys):
    url = setting().inbox_url
    imap.box.password = "hünter"
    imap.put(leave(returned.leaving(CHARLIE), CHARLIE))
    for given in ("hänter", "hünter"):
        setting(INBOX_URL=url.replace(PASSWORD, quote(given)))
        look()
    returned.work()
    assert state_of(CHARLIE) == "unsubscribed"
    assert failures() == ["The inbox at localhost refuses the login in INBOX_URL."]
    assert "nter" not in capsys.readouterr().out


@pytest.mark.once
def test_no_command_names_more_mails_than_a_server_has_to_take(imap, look, monkeypatch):
    monkeypatch.setattr(imap_inbox, "AT_ONCE", 2)
    for each in (ALICE, BOB, CHARLIE):
        imap.put(leave(returned.leaving(each), each))
    look()
    returned.work()
    look()
    assert imap.left() == []
    assert [each.count(",") for each in imap.box.commands if "RFC822.SIZE" in each or "STORE" in each] == [1, 0, 1, 0]


@pytest.mark.once
def test_mails_that_may_not_be_deleted_are_told_of(house, setting, look, monkeypatch):
    setting(INBOX_URL=f"maildir:{house}/inbox")
    box = MaildirBox(house / "inbox")
    box.put(leave(returned.leaving(CHARLIE), CHARLIE))
    look()
    returned.work()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", _refused)
        look()
    [said] = failures()
    assert said.endswith(
        "/inbox/new cannot be deleted: Permission denied. Let the user of the outside line write there."
    )
    look()
    assert box.left() == []


def _refused(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.once
def test_a_server_whose_certificate_nobody_vouches_for_gets_no_password(imap, look, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    look()
    with reading() as session:
        assert "certificate is refused" in session.scalar(text("SELECT message FROM attempts"))
    assert imap.box.commands == []


@pytest.mark.once
def test_a_token_takes_the_place_of_a_password_and_is_asked_for_anew_when_it_is_refused(imap, look, setting, house):
    url = f"imaps://digest%40verdicts.example@localhost:{_port_of(setting)}"
    (house / "token").write_text("an-old-one")
    setting(INBOX_URL=url, INBOX_TOKEN_COMMAND=f"cat {house}/token")
    imap.put(leave(returned.leaving(CHARLIE), CHARLIE))
    look()
    assert read_jobs() == [("pending", "InboxError")]
    (house / "token").write_text("a-token")
    look()
    returned.work()
    assert state_of(CHARLIE) == "unsubscribed"


@pytest.mark.once
def test_a_token_that_is_refused_twice_is_not_kept_and_told_by_its_variable(imap, look, setting, house):
    url = f"imaps://digest%40verdicts.example@localhost:{_port_of(setting)}"
    command = f"echo >> {house}/asked && printf a-token; test $(wc -l < {house}/asked) = 1 || printf -- -not"
    setting(INBOX_URL=url, INBOX_TOKEN_COMMAND=command)
    look()
    imap.box.token = "another"
    look()
    look()
    logins = [each for each in imap.box.commands if each.startswith("AUTHENTICATE")]
    assert len((house / "asked").read_text().splitlines()) == 3
    assert len(logins) == 4  # the first, the kept one with a new one behind it, and a new one alone
    with reading() as session:
        said = {*session.scalars(text("SELECT message FROM attempts WHERE outcome = 'failed'"))}
    assert said == {"The inbox at localhost refuses the token of INBOX_TOKEN_COMMAND."}


def _port_of(setting) -> str:
    return setting().inbox_url.rpartition(":")[2]


@pytest.mark.once
def test_without_uidplus_nothing_else_is_expunged(imap, look):
    imap.box.capabilities = "IMAP4rev1"
    thrown = imap.put(b"Subject: thrown away by its reader\n\n")
    imap.box.flags[thrown].add("\\Deleted")
    ours = imap.put(bounce(verp(ALICE), ALICE))
    look()
    returned.work()
    look()
    assert imap.box.flags == {thrown: {"\\Deleted"}, ours: {"\\Deleted"}}


# ---- settings --------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(
    "given",
    [
        {"INBOX_URL": "imap://u:p@mail.example"},
        {"INBOX_URL": "imaps://mail.example"},
        {"INBOX_URL": "imaps://u@mail.example"},
        {"INBOX_URL": "imaps://u:p@mail.example", "INBOX_TOKEN_COMMAND": "print-token"},
        {"INBOX_URL": "imaps://u:p@mail.example/INBOX?x=1"},
        {"INBOX_URL": "maildir:inbox", "INBOX_TOKEN_COMMAND": "print-token"},
        {"INBOX_URL": "maildir:box", "MAIL_URL": "maildir:./box"},
        {"INBOX_TOKEN_COMMAND": "print-token"},
    ],
)
def test_an_inbox_that_cannot_be_right_is_refused_at_the_start(setting, given):
    with pytest.raises(BadSettings) as refused:
        setting(**given)
    assert "u:p@" not in str(refused.value)
    setting(INBOX_URL="imaps://u:p@mail.example:993/Bounces%2F2026", INBOX_TOKEN_COMMAND="", MAIL_URL="")
