"""What opens one letter's transaction: MAIL, RCPT and DATA, with addresses that cannot break out of them."""

from typing import NamedTuple

from emails import headers
from emails.replies import Outgoing


class Envelope(NamedTuple):
    """One letter, and its sender and recipient, checked."""

    letter: Outgoing
    sender: str
    to: str

    @classmethod
    def of(cls, letter: Outgoing) -> "Envelope":
        """The letter's envelope; headers.Unwritable when an address is none that a letter can carry."""
        return cls(letter, headers.address(letter.sender), headers.address(letter.to))

    @property
    def size(self) -> int:
        return len(self.letter.message)

    def commands(self, *, with_size: bool) -> tuple[bytes, bytes, bytes]:
        """MAIL, RCPT and DATA; the letter's size is said where the server asks for it (RFC 1870)."""
        size = f" SIZE={self.size}" if with_size else ""
        return (
            f"MAIL FROM:<{self.sender}>{size}\r\n".encode("ascii"),
            f"RCPT TO:<{self.to}>\r\n".encode("ascii"),
            b"DATA\r\n",
        )
