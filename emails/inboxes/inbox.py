"""What every kind of inbox can do, and why one cannot be read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class InboxError(Exception):
    """The inbox cannot be read just now; the message says why, and holds no password and no address."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far an IMAP mailbox was looked through. UIDs grow, as long as UIDVALIDITY stays (RFC 9051 2.3.1.1)."""

    validity: int = 0
    uid: int = 0


class Mail(NamedTuple):
    """A mail in the inbox: a name for its place, which no other mail ever gets, and its number in order."""

    place: str
    number: int


class Inbox(Protocol):
    """An open mailbox."""

    validity: int
    """Whether numbers mean the same as last time; 0 where they do not go on from one time to the next."""

    def mails(self, mark: Mark) -> Sequence[Mail]:
        """The mails behind that mark, the oldest first. Those before it were looked at."""

    def read(self, mail: Mail, most: int) -> bytes | None:
        """Its bytes; the mail stays unread. None if it is gone, or has more than so many bytes."""

    def delete(self, mails: Collection[Mail]) -> None:
        """Delete these mails. One that is gone already is no error."""
