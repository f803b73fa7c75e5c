"""The sender's addresses and names, derived from MAIL_FROM and the settings beside it."""

import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import parseaddr
from functools import cached_property
from urllib.parse import quote

from db.settings import Settings
from emails.links import LENGTH
from emails.messages import headers

_LOCAL_PART = 64  # RFC 5321, section 4.5.3.1.1


@dataclass(frozen=True)
class SenderIdentity:
    """The display name and address of From, and the headers and addresses derived from them."""

    name: str
    address: str
    base_url: str
    bounce_domain: str | None = None
    reply_to: tuple[str, str] | None = None
    """The name and address of who gets answers; None for that of From."""
    has_verp: bool = True
    has_inbox: bool = False
    """Whether anybody reads what is mailed to the plus addresses of From."""

    def __post_init__(self) -> None:
        headers.checked(self.name)
        headers.address(self.address)
        if not (self.base_url.isascii() and headers.checked(self.base_url)):
            raise headers.Unwritable(f"BASE_URL must be ASCII: {self.base_url!r}")
        if self.reply_to:
            headers.mailbox("Reply-To", *self.reply_to)
        longest = len(self.verp("x" * LENGTH).partition("@")[0])
        if longest > _LOCAL_PART:
            raise headers.Unwritable(
                f"MAIL_FROM is too long to carry bounces: {self.address!r} may have at most "
                f"{_LOCAL_PART - len('+b-') - LENGTH} characters before the @. "
                "Shorten it, or set MAIL_BOUNCE_DOMAIN or MAIL_VERP=0."
            )

    @classmethod
    def of(cls, settings: Settings) -> "SenderIdentity":
        """The identity from the settings; SITE_NAME is used where MAIL_FROM has no display name."""
        name, mailbox = _parsed(settings.mail_from)
        return cls(
            name or settings.site_name,
            mailbox,
            settings.base_url,
            settings.mail_bounce_domain,
            _parsed(settings.mail_reply_to) if settings.mail_reply_to else None,
            settings.mail_verp,
            settings.inbox_url is not None,
        )

    @cached_property
    def local(self) -> str:
        return self.address.rpartition("@")[0]

    @cached_property
    def domain(self) -> str:
        return self.address.rpartition("@")[2].lower()

    @property
    def return_domain(self) -> str:
        """The domain of the envelope sender, to which bounces come."""
        return self.bounce_domain if self.has_verp and self.bounce_domain else self.domain

    def verp(self, token: str) -> str:
        """The envelope sender, to which bounces return: with a token (VERP, variable envelope return path), or our own
        address."""
        if not self.has_verp:
            return self.address
        if self.bounce_domain:
            return f"b-{token}@{self.bounce_domain}"
        return f"{self.local}+b-{token}@{self.domain}"

    def message_id(self, token: str) -> str:
        """A Message-ID in our domain. It depends on the token alone, so every attempt to send a letter carries the same
        Message-ID."""
        return f"<{token}@{self.domain}>"

    @cached_property
    def unsubscribe_mailto(self) -> str | None:
        """The mailto URI for unsubscribing by mail, up to the token. None while nobody would read such a mail."""
        if not self.has_inbox:
            return None
        local = quote(f"{self.local}+unsubscribe", safe="+.-_~")
        return f"mailto:{local}@{self.domain}?subject="

    @cached_property
    def help_mailto(self) -> str:
        """The mailto URI of the person who answers: that of Reply-To, or else of From."""
        local, _, domain = (self.reply_to[1] if self.reply_to else self.address).rpartition("@")
        return f"mailto:{quote(local, safe='+.-_~')}@{domain}?subject=help"

    @cached_property
    def list_id(self) -> str:
        """The List-Id (RFC 2919), which stays the same when the newsletter is renamed. A name in another script alone
        cannot stand in it: then the domain is its name."""
        return f"{headers.ascii_phrase(self.name) or headers.ascii_phrase(self.domain)} <digest.{self.domain}>"

    def feedback_id(self, kind: str, about: str) -> str:
        """The Feedback-ID: groups complaints by letter, not by recipient; its sender id has 5 to 15 characters."""
        sender = re.sub(r"[^a-z0-9]+", "-", self.domain)[:15].strip("-").ljust(5, "0")
        return f"{re.sub(r'[^A-Za-z0-9-]', '-', about) or kind}:{kind}:newsletter:{sender}"


def _parsed(mailbox: str) -> tuple[str, str]:
    name, address = parseaddr(mailbox)
    return _decoded(name), address


def _decoded(name: str) -> str:
    try:
        return str(make_header(decode_header(name)))
    except (HeaderParseError, LookupError, ValueError):
        return name
