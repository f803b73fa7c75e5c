"""Passwords: kept as Argon2id, and checked with the same work whether or not the address is known."""

from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

LONGEST = 200
_hasher = PasswordHasher()
_room = BoundedSemaphore(2)
"""Each check takes 64 MiB: more than two at a time wait for each other."""


def hashed(password: str) -> str:
    """What is kept of a password."""
    with _room:
        return _hasher.hash(password)


def fits(kept: str | None, password: str) -> bool:
    """Whether this is the password; None is nobody's, and takes as long."""
    if len(password) > LONGEST:
        password = ""
    with _room:
        try:
            return _hasher.verify(kept or _nobodys(), password) and kept is not None
        except (Argon2Error, InvalidHashError):
            return False


def is_old(kept: str) -> bool:
    """Whether it was hashed with weaker parameters than today's."""
    return _hasher.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody has this password")
