"""One thing that befell the site while it sent a digest, what became of the letters, and which promises were broken."""

import time
from dataclasses import dataclass, field


@dataclass
class Row:
    """A line of the table."""

    case: int
    what: str
    letters: int = 0
    lost: int = 0
    doubled: int = 0
    unknown: int = 0
    silence: float | None = None
    rate: float = 0.0
    note: str = ""
    faults: list[str] = field(default_factory=list)
    since: float = 0.0
    """When the fault began, in seconds since 1970; silences count from then on."""

    def ask(self, holds: object, otherwise: str) -> None:
        """A promise: whether it holds, and what to say if it does not."""
        if not holds:
            self.faults.append(otherwise)

    def hurt(self) -> None:
        self.since = time.time()

    def cells(self) -> list[str]:
        silence = "-" if self.silence is None else f"{self.silence:.1f} s"
        numbers = (self.letters, self.lost, self.doubled, self.unknown)
        return [str(self.case), self.what, *(f"{each:,}" for each in numbers), silence, f"{self.rate:.0f}", self.note]
