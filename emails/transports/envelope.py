"""A letter's SMTP envelope: MAIL, RCPT and DATA, with addresses that cannot inject further commands."""

from emails.messages import headers
from emails.replies import Outgoing


def addresses(letter: Outgoing) -> tuple[str, str]:
    """The sender and the recipient. Raises headers.Unwritable for an address that SMTP commands cannot carry."""
    return headers.address(letter.sender), headers.address(letter.to)


def commands(letter: Outgoing, *, with_size: bool) -> tuple[bytes, bytes, bytes]:
    """MAIL, RCPT and DATA; MAIL declares the size if the server supports SIZE (RFC 1870). Raises headers.Unwritable."""
    sender, to = addresses(letter)
    size = f" SIZE={len(letter.message)}" if with_size else ""
    return f"MAIL FROM:<{sender}>{size}\r\n".encode("ascii"), f"RCPT TO:<{to}>\r\n".encode("ascii"), b"DATA\r\n"
