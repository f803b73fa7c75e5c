"""The SMTP envelope: MAIL, RCPT and DATA, with addresses that cannot inject further commands."""

from typing import NamedTuple

from emails import headers
from emails.replies import Outgoing


class Envelope(NamedTuple):
    """One letter with its validated sender and recipient."""

    letter: Outgoing
    sender: str
    to: str

    @classmethod
    def of(cls, letter: Outgoing) -> "Envelope":
        """The letter's envelope. Raises headers.Unwritable for an address that SMTP commands cannot carry."""
        return cls(letter, headers.address(letter.sender), headers.address(letter.to))

    @property
    def size(self) -> int:
        return len(self.letter.message)

    def commands(self, *, with_size: bool) -> tuple[bytes, bytes, bytes]:
        """MAIL, RCPT and DATA; MAIL declares the size if the server supports SIZE (RFC 1870)."""
        size = f" SIZE={self.size}" if with_size else ""
        return (
            f"MAIL FROM:<{self.sender}>{size}\r\n".encode("ascii"),
            f"RCPT TO:<{self.to}>\r\n".encode("ascii"),
            b"DATA\r\n",
        )
