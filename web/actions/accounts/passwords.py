"""Passwords: strength rules, Argon2id hashes, and checks in constant work (no user enumeration by timing)."""

import unicodedata
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from db.rules import Refused

SHORTEST, LONGEST = 12, 200
_COMMON = (
    "password", "passwort", "passwords", "changeme", "letmein", "iloveyou", "administrator", "welcome", "qwertyuiop",
    "qwerty", "asdfghjkl", "football", "baseball", "superman", "sunshine", "princess", "monkey", "dragon", "master",
    "trustno", "abcdefghijklmnopqrstuvwxyz", "correcthorsebatterystaple", "verdicts", "newsletter", "operator", "admin",
    "1q2w3e4r5t6y7u8i9o0p", "1qaz2wsx3edc4rfv", "qazwsxedcrfv", "zaq12wsxcde3",
)  # fmt: skip
"""Words that the most common passwords are built from, followed by digits and signs."""

_hasher = PasswordHasher()
_room = BoundedSemaphore(2)
"""Each check takes 64 MiB of memory, so at most two run at a time."""


def check(password: str, address: str, site: str) -> None:
    """Raises Refused, with advice, for a password that is easy to guess."""
    plain = _plain(password)
    if len(plain) < SHORTEST:
        raise Refused(
            f"That password is too short: take at least {SHORTEST} characters. A few words in a row are good."
        )
    if len(plain) > LONGEST:
        raise Refused(f"That password is too long: take at most {LONGEST} characters.")
    folded = _letters(plain)
    named = {_letters(address), _letters(address.split("@")[0]), _letters(site)} - {""}
    if folded in named or any(folded.strip("0123456789") == name for name in named):
        raise Refused("That password is your address or this site's name. Take something that others cannot look up.")
    if len(set(plain)) < 5 or _is_common(folded):
        raise Refused("That password is among the first that others would try. Take a few words that nobody expects.")


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _is_common(folded: str) -> bool:
    if folded in "012345678901234567890" or folded in "098765432109876543210":
        return True
    rest = folded
    for word in sorted(_COMMON, key=len, reverse=True):
        rest = rest.replace(word, "")
    return rest != folded and (not rest or rest.isdigit())


def hashed(password: str) -> str:
    """The hash that is stored of a password."""
    with _room:
        return _hasher.hash(_plain(password))


def fits(kept: str | None, password: str) -> bool:
    """Whether the password matches the hash. Without a hash the answer is always no but takes as long to compute, so
    that its time does not tell whether an account exists."""
    given = _plain(password[: 4 * LONGEST])
    nobodys = _nobodys()
    with _room:
        try:
            return _hasher.verify(kept or nobodys, given[:LONGEST]) and kept is not None and len(given) <= LONGEST
        except (Argon2Error, InvalidHashError):
            return False


def is_old(kept: str) -> bool:
    """Whether the hash has outdated parameters."""
    return _hasher.check_needs_rehash(kept)


def _plain(password: str) -> str:
    # Normalized, because two keyboards may produce different code points for the same letters.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody has this password")
