"""A finished message as the checks see it: its bytes, its header fields, both bodies, and the page with its links."""

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cached_property
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, urlsplit

from emails.checks import dom
from emails.messages.dkim import Signer
from emails.messages.sender_identity import SenderIdentity

REPORT = "This is a fault in Verdicts: please report it."
UNLESS_MEANT = "Nothing is wrong if a name or a quote has it; else please report it."
_FIELD = re.compile(rb"([!-9;-~]+):[ \t]*((?:[^\r\n]|\r?\n[ \t])*)")
_LINK = re.compile(r"https?://[^\s<>]+")
WITHOUT_LIST = frozenset({"confirm", "reminder", "alert"})
"""Letters that belong to no list: they answer somebody, or tell operators something."""


@dataclass(frozen=True)
class Case:
    """What the checks need to know beside the bytes: which letter it is, for whom, and how this site sends."""

    identity: SenderIdentity
    kind: str
    to: str
    sender: str
    """The envelope sender."""
    postal_address: str = ""
    signer: Signer | None = None
    over_smtp: bool = False

    @property
    def is_list(self) -> bool:
        return self.kind not in WITHOUT_LIST

    @property
    def is_digest(self) -> bool:
        return self.kind in ("digest", "test")


class Fault(NamedTuple):
    """What is wrong with a message, and what to do about it. An error makes servers or mail apps refuse or misread it;
    a warning costs its good name. `row` is the number in ROWS."""

    told: str
    advice: str = REPORT
    severity: Literal["error", "warning"] = "error"
    row: int = 0

    @property
    def words(self) -> str:
        return f"{self.told} {self.advice}"


class Field(NamedTuple):
    """A header field: its name in lower case, and its value as it stands, folds included."""

    name: str
    raw: bytes

    @property
    def shown(self) -> str:
        """Its name as people write it: List-Id, Message-ID."""
        return shown(self.name)

    @property
    def value(self) -> str:
        """The value on one line."""
        return re.sub(rb"\r?\n(?=[ \t])", b"", self.raw).decode("latin-1").strip()


def shown(name: str) -> str:
    """A field's name as people write it."""
    special = {"id": "ID", "mime": "MIME", "dkim": "DKIM"} if name != "list-id" else {}
    return "-".join(special.get(part, part.capitalize()) for part in name.split("-"))


def parts(uri: str) -> SplitResult:
    """The parts of a URI; all empty if it cannot be one."""
    try:
        return urlsplit(uri)
    except ValueError:
        return urlsplit("")


class Seen:
    """A message, read only as far as a check asks."""

    def __init__(self, raw: bytes, case: Case) -> None:
        self.raw, self.case = raw, case
        self.head, _, self.body = raw.partition(b"\r\n\r\n")

    @cached_property
    def fields(self) -> list[Field]:
        """The header fields in their order."""
        return [Field(name.decode("ascii").lower(), value) for name, value in _FIELD.findall(self.head + b"\r\n")]

    def all(self, name: str) -> list[str]:
        """The values of all fields of that name (in lower case)."""
        return [field.value for field in self.fields if field.name == name]

    def only(self, name: str) -> str:
        """The value of the first field of that name; empty without one, which row 2 tells."""
        return next(iter(self.all(name)), "")

    @cached_property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.raw, policy=default)
        assert isinstance(message, EmailMessage)
        return message

    def part(self, kind: Literal["plain", "html"]) -> str:
        """The decoded body of that kind; empty without one, which row 10 tells."""
        found = self.message.get_body((kind,))
        try:
            return str(found.get_content()).replace("\r\n", "\n") if found else ""
        except (LookupError, ValueError):
            return ""

    @cached_property
    def text(self) -> str:
        return self.part("plain")

    @cached_property
    def html(self) -> str:
        return self.part("html")

    @cached_property
    def page(self) -> dom.Page:
        return dom.read(self.html)

    @cached_property
    def links(self) -> list[str]:
        """Where the page's links lead."""
        return [each.attributes.get("href", "") for each in self.page.all("a")]

    @cached_property
    def text_links(self) -> list[str]:
        """The addresses in the text part, as mail apps make links of them."""
        return _LINK.findall(self.text)
