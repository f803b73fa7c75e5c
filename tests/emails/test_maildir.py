"""The Maildir: one file a delivery, whole or not there, and a repeat changes nothing."""

import mailbox
from pathlib import Path

import pytest

from emails.transports import Outgoing
from emails.transports.maildir import MaildirTransport

LETTER = b"Subject: Larkspur\r\n\r\nShip it.\r\n"


def send(door: MaildirTransport, name: str = "delivery-7", letter: bytes = LETTER) -> str:
    return door.send(Outgoing("digest@verdicts.example", "alice@example.com", letter, name)).kind


def test_a_letter_is_one_file_with_the_messages_own_bytes(tmp_path: Path) -> None:
    assert send(MaildirTransport(tmp_path / "outbox")) == "sent"
    assert (tmp_path / "outbox" / "new" / "delivery-7").read_bytes() == LETTER
    assert not list((tmp_path / "outbox" / "tmp").iterdir())
    (message,) = mailbox.Maildir(tmp_path / "outbox")
    assert message["Subject"] == "Larkspur"


def test_a_repeat_lands_in_the_same_file(tmp_path: Path) -> None:
    door = MaildirTransport(tmp_path)
    assert [send(door), send(door, letter=LETTER + b"again\r\n")] == ["sent", "sent"]
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_a_repeat_of_a_letter_that_was_read_makes_no_second_one(tmp_path: Path) -> None:
    door = MaildirTransport(tmp_path)
    send(door)
    (tmp_path / "new" / "delivery-7").rename(tmp_path / "cur" / "delivery-7:2,S")
    assert send(door) == "sent"
    assert not list((tmp_path / "new").iterdir())


def test_a_folder_that_cannot_be_written_is_the_relays_refusal(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file, no folder")
    door = MaildirTransport(tmp_path / "outbox")
    refusal = door.connect()
    assert refusal is not None
    assert refusal.kind == send(door) == "relay"
    assert "cannot write" in refusal.reply


@pytest.mark.parametrize("name", ["", "../7", "a/b", ".hidden", "a\nb", "a:2,S"])
def test_a_name_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="delivery"):
        send(MaildirTransport(tmp_path), name)


def test_letters_are_their_owners_alone_and_those_of_before_become_so(tmp_path: Path) -> None:
    (tmp_path / "outbox/new").mkdir(parents=True)
    for folder in (tmp_path / "outbox", tmp_path / "outbox/new"):
        folder.chmod(0o755)
    (tmp_path / "outbox/new/older").write_bytes(LETTER)
    (tmp_path / "outbox/new/older").chmod(0o644)
    door = MaildirTransport(tmp_path / "outbox")
    assert door.connect() is None
    send(door)
    assert mode(tmp_path / "outbox/new/delivery-7") == mode(tmp_path / "outbox/new/older") == 0o600
    assert [mode(tmp_path / "outbox" / part) for part in ("tmp", "new", "cur")] == [0o700] * 3
    send(MaildirTransport(tmp_path / "another/outbox"))
    assert mode(tmp_path / "another") == mode(tmp_path / "another/outbox") == 0o700


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777
