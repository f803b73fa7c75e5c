"""While a digest goes out, its first letters come back: the right people are suppressed, and nobody else."""

from email import message_from_bytes
from email.message import Message
from pathlib import Path
from urllib.parse import unquote

import pytest

from db import moments
from db.session import reading
from emails.replies import Following, Meanwhile, Outcome, Outgoing, judge
from tests import returned
from tests.erasing import DANA
from tests.outside_requests import make_all
from tests.returned import answer, bounce, complaint, leave, state_of, suppressed, vacation
from tests.transports import Transport, digest, run, states
from web.actions.subscribers import subscribers as actions
from worker.feedback import inbox
from worker.sending import mail_connections, send_slice

READERS = [f"reader-{number}@reader.example" for number in range(1, 13)]
GONE, COMPLAINS, AWAY, ANSWERS, FULL, LEAVES, FORGED, SIGNATURE = READERS[:8]
WORKED_AT = 9
"""The letter during which the inbox is read: eight have gone out, and four are still to go."""


class Post(Transport):
    """A mail server that took eight letters. Their recipients' servers and programs answer into our inbox."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.inbox = folder
        self.letters: dict[str, tuple[str, Message]] = {}
        for part in ("tmp", "new", "cur"):
            (folder / part).mkdir(parents=True)
        self.answer = self._answer

    def send(self, letter: Outgoing, following: Following, meanwhile: Meanwhile) -> Outcome:
        token = letter.sender.partition("+b-")[2].partition("@")[0]
        self.letters[letter.to] = token, message_from_bytes(letter.message)
        return super().send(letter, following, meanwhile)

    def _answer(self, to: str, number: int) -> Outcome:
        if number == WORKED_AT:
            self._comes_back()
            hear()
        return judge("dot", 250, "2.0.0 taken")

    def token(self, to: str) -> str:
        return self.letters[to][0]

    def message_id(self, to: str) -> str:
        return str(self.letters[to][1]["Message-ID"])

    def complaint(self, to: str, kind: str = "abuse") -> bytes:
        """A provider's report, with the letter's header in it and the reader's address left out."""
        return complaint(self.message_id(to), kind, leave=str(self.letters[to][1]["List-Unsubscribe"]))

    def mailto_subject(self, to: str) -> str:
        """What a mail program writes as the subject when its reader presses unsubscribe."""
        [mailto] = [each for each in str(self.letters[to][1]["List-Unsubscribe"]).split(",") if "mailto:" in each]
        return unquote(mailto.partition("subject=")[2].strip(" <>"))

    def _comes_back(self) -> None:
        mails = {
            "gone": bounce(self.token(GONE), GONE),
            "complains": self.complaint(COMPLAINS),
            "away": vacation(self.token(AWAY), AWAY),
            "answers": answer(self.message_id(ANSWERS), ANSWERS),
            "full": bounce(self.token(FULL), FULL, "452 4.2.2 <{}>: mailbox full"),
            "late": bounce(self.token(FULL), FULL, "451 4.4.1 <{}>: no answer yet", "delayed"),
            "leaves": leave(self.mailto_subject(LEAVES), LEAVES),
            "forged": bounce("0123456789" * 4, FORGED),
            "signature": self.complaint(SIGNATURE, "auth-failure"),
            "stranger": b"From: <ann@elsewhere.example>\nSubject: Please unsubscribe Bob\n\nThanks!\n",
        }
        for name, mail in mails.items():
            (self.inbox / "new" / f"{name}.mx").write_bytes(mail)


def hear() -> None:
    """The outside line reads the inbox, workers handle what it stored, and the line deletes it."""
    for _ in range(2):
        inbox.keep_reading()
        make_all()
        returned.work()


@pytest.fixture
def post(database, clock, setting, house, monkeypatch) -> Post:
    setting(
        MAIL_URL="smtp://relay.example:25", MAIL_FROM="Verdicts <digest@verdicts.example>",
        INBOX_URL=f"maildir:{house}/inbox",
    )  # fmt: skip
    made = Post(house / "inbox")
    monkeypatch.setattr(inbox, "_memory", inbox._Memory())
    monkeypatch.setattr(mail_connections, "transport_of", lambda config: made)
    for holder, kept in ((mail_connections, "_kept"), (send_slice, "_histories"), (send_slice, "_paces")):
        monkeypatch.setattr(holder, kept, {})
    return made


def test_the_right_people_are_suppressed_while_the_digest_goes_on(post, clock):
    digest(clock, len(READERS))
    run()
    clock.forward(minutes=2)
    hear()
    assert states() == {"sent": len(READERS)}
    assert suppressed() == {GONE: "hard bounce", COMPLAINS: "complaint"}
    assert {each for each in READERS if state_of(each) != "active"} == {LEAVES}
    left = sorted(each.name for each in post.inbox.rglob("*.mx"))
    assert left == ["answers.mx", "forged.mx", "stranger.mx"]
    assert all(each.parent.name == "new" for each in post.inbox.rglob("*.mx")), "still unread"
    assert len(returned.kept()) == 7
    actions.erase_address(DANA, GONE, moments.now(), "She asked")
    returned.work()
    with reading():
        assert not any(GONE.encode() in each.raw for each in returned.kept())
