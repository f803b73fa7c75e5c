"""A letter: a subject and two bodies, with marks in place of each recipient's own values, and places for own votes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from string import printable
from typing import Literal, NamedTuple
from urllib.parse import quote

Mark = Literal["UNSUBSCRIBE", "PREFERENCES", "VOTE", "SINCE", "CONFIRM"]

# formats.harmless breaks up this opening in content, so no reviewer's quote can be read as a mark.
OPEN, CLOSE = "{~", "~}"
MARK = re.compile(r"\{~([A-Z]+)~\}")
_UNSUBSCRIBE = re.compile(r"(https?://[^\s<>{}]+)/unsubscribe/\{~UNSUBSCRIBE~\}")


def mark(name: Mark) -> str:
    """The placeholder in a body for a recipient's value."""
    return f"{OPEN}{name}{CLOSE}"


# ---- own votes -----------------------------------------------------------------------------------------------

OWN = re.compile(r"\{~own(\d{1,4})~\}(.*?)\{~or~\}(.*?)\{~or~\}(.*?)\{~end~\}", re.DOTALL)


class OwnVote(NamedTuple):
    """A place in a body that depends on the reader's own vote on the digest's tool of this number, in frozen order
    from 0: what stands there if they said ship, if they said skip, and if they have no vote on it."""

    tool: int
    ship: str
    skip: str
    none: str

    @classmethod
    def found(cls, found: re.Match[str]) -> "OwnVote":
        """The place that OWN has found."""
        return cls(int(found[1]), found[2], found[3], found[4])

    def __str__(self) -> str:
        """The place as it stands in a body."""
        return f"{OPEN}own{self.tool}{CLOSE}" + f"{OPEN}or{CLOSE}".join(self[1:]) + f"{OPEN}end{CLOSE}"

    def of(self, own_votes: str) -> str:
        """What stands there for a reader with these votes, as `deliveries.own_votes` keeps them."""
        return {"s": self.ship, "k": self.skip}.get(own_votes[self.tool : self.tool + 1], self.none)


# ---- the letter ----------------------------------------------------------------------------------------------


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

    def filled(self, values: Mapping[str, str], own_votes: str = "") -> "Letter":
        """The letter as one reader sees it, for a preview; KeyError names a mark without a value."""

        def value(found: re.Match[str]) -> str:
            return values[found[1]]

        seen = self.chosen(own_votes)
        return replace(seen, html=MARK.sub(value, seen.html), text=MARK.sub(value, seen.text))

    def chosen(self, own_votes: str = "") -> "Letter":
        """The letter without its places, as it stands for readers with these votes; its marks stay."""
        return self._with(lambda place: place.of(own_votes))

    def largest(self) -> "Letter":
        """The letter with the piece in each place that is longest once it is encoded: nobody's is larger."""
        return self._with(lambda place: max(place[1:], key=lambda piece: len(quote(piece, safe=printable))))

    def _with(self, choose: Callable[[OwnVote], str]) -> "Letter":
        def chosen(found: re.Match[str]) -> str:
            return choose(OwnVote.found(found))

        return replace(self, html=OWN.sub(chosen, self.html), text=OWN.sub(chosen, self.text))
