"""A letter: a subject and two bodies, with marks in place of each recipient's own values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

Mark = Literal["UNSUBSCRIBE", "PREFERENCES", "VOTE", "SINCE", "CONFIRM"]

# formats.harmless breaks up this opening in content, so no reviewer's quote can be read as a mark.
OPEN, CLOSE = "{~", "~}"
MARK = re.compile(r"\{~([A-Z]+)~\}")
_UNSUBSCRIBE = re.compile(r"(https?://[^\s<>{}]+)/unsubscribe/\{~UNSUBSCRIBE~\}")


def mark(name: Mark) -> str:
    """The placeholder in a body for a recipient's value."""
    return f"{OPEN}{name}{CLOSE}"


def day(when: date) -> str:
    """A date as readers see it: 4 March 2026. The value of the mark SINCE is such a date too."""
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True)
class Site:
    """The sending newsletter: its name, base URL (without a trailing slash) and postal address."""

    name: str
    base_url: str
    postal_address: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~/-]*)?", self.base_url):
            raise ValueError(f"BASE_URL must be an http or https address: {self.base_url!r}")
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))


@dataclass(frozen=True)
class Letter:
    """One kind of mail, composed once for all recipients. `about` names what caused it, such as a slot; it goes into
    headers that all recipients share, so it must not name a person."""

    kind: str
    subject: str
    preheader: str
    html: str
    text: str
    about: str = ""

    @property
    def marks(self) -> frozenset[str]:
        """The names of the marks in the bodies."""
        return frozenset(MARK.findall(self.html) + MARK.findall(self.text))

    @property
    def base_url(self) -> str | None:
        """The BASE_URL with which the letter was composed, as its unsubscribe link has it; None without one."""
        found = _UNSUBSCRIBE.search(self.text)
        return found[1] if found else None

    @property
    def mailing(self) -> bool:
        """Whether it is list mail, with an unsubscribe link in the letter itself."""
        return "UNSUBSCRIBE" in self.marks

    def filled(self, values: Mapping[str, str]) -> "Letter":
        """The letter as one reader sees it, for a preview; KeyError names a mark without a value."""

        def value(found: re.Match[str]) -> str:
            return values[found[1]]

        html, text = MARK.sub(value, self.html), MARK.sub(value, self.text)
        return Letter(self.kind, self.subject, self.preheader, html, text, self.about)
