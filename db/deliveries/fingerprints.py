"""A delivery's fingerprint: the Date of the message that was sent last, and 16 bytes of hash over it.

With it a message that is written again from its row is known to be the same, or known not to be. The first half of the
hash is of what the message says, the second of what depends on the keys (see EncodedLetter.written in
emails.messages.message).
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, NamedTuple

_DATE, _HALF = 4, 8

Likeness = Literal["same", "other keys", "other"]


class Fingerprint(NamedTuple):
    """A fingerprint, taken apart."""

    date: datetime
    says: bytes
    by_keys: bytes

    @classmethod
    def read(cls, kept: bytes) -> "Fingerprint":
        """What dated() made."""
        date = datetime.fromtimestamp(int.from_bytes(kept[:_DATE], "big"), UTC)
        return cls(date, kept[_DATE : _DATE + _HALF], kept[_DATE + _HALF :])

    def likeness(self, other: "Fingerprint") -> Likeness:
        """Whether two messages are the same, the same but for what depends on the keys, or say something else."""
        if self == other:
            return "same"
        return "other keys" if self[:2] == other[:2] else "other"


def dated(date: datetime, hashes: bytes) -> bytes:
    """The fingerprint as it is kept."""
    return _seconds(date) + hashes


@lru_cache(maxsize=16)
def _seconds(date: datetime) -> bytes:
    return int(date.timestamp()).to_bytes(_DATE, "big")
