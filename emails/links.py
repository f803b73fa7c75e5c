"""Signed tokens (HMAC) for the links in letters: each names a person and a cause and cannot be forged.

A token is bound to one purpose and holds no expiry time: that is read from the row which it names. A token is always
40 characters long, so that a letter can be split around it once for all recipients.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

Purpose = Literal["confirm", "unsubscribe", "preferences", "vote", "bounce"]

LENGTH = 40
NOBODY = 0
"""The subject of the links in tests and previews of a letter. No row has this id, so such a link can change nothing."""
_LARGEST = 2**40
_TOKEN = re.compile(r"[A-Za-z0-9_-]{40}", re.ASCII)
_BOUNCE_TOKEN = re.compile(r"[0-9a-f]{40}", re.ASCII)


class BadLink(ValueError):
    """The token is damaged, forged, or was made for another purpose."""


class Signed(NamedTuple):
    """The signed content of a token: subject is the id of a subscriber or sign-up request; delivery may be 0."""

    subject: int
    delivery: int

    @property
    def is_test(self) -> bool:
        """Whether the link comes from a test or a preview of a letter."""
        return self.subject == NOBODY


def sign(keys: Sequence[bytes], purpose: Purpose, subject: int, delivery: int = 0) -> str:
    """A token of 40 URL-safe characters, signed with the newest key; ids from 0 to 2**40 - 1."""
    # Mail servers may change the case of a bounce address, so its token is hexadecimal, which holds fewer bytes.
    if purpose == "bounce":
        ids = _bytes(subject, 5) + _bytes(delivery, 5)
        return (ids + _mac(keys[0], purpose, ids)[:10]).hex()
    ids = _bytes(subject, 7) + _bytes(delivery, 7)
    return urlsafe_b64encode(ids + _mac(keys[0], purpose, ids)).decode()


def read(keys: Sequence[bytes], purpose: Purpose, token: str) -> Signed:
    """The token's content, if any of the keys signed it; else raises BadLink."""
    raw, width = _decode(purpose, token)
    ids, mac = raw[: 2 * width], raw[2 * width :]
    if not any(hmac.compare_digest(mac, _mac(key, purpose, ids)[: len(mac)]) for key in keys):
        raise BadLink("this link was not made here, or not for this purpose")
    return Signed(int.from_bytes(ids[:width], "big"), int.from_bytes(ids[width:], "big"))


def sign_voter(keys: Sequence[bytes], voter: str) -> str:
    """The voter's name with its signature, for the cookie."""
    return f"{voter}.{_voter_mac(keys[0], voter)}"


def read_voter(keys: Sequence[bytes], cookie: str) -> str:
    """The voter's name, if one of our keys signed the cookie; else raises BadLink."""
    voter, _, mac = cookie.rpartition(".")
    if not voter or not mac.isascii():
        raise BadLink("this cookie was not made here")
    if not any(hmac.compare_digest(mac, _voter_mac(key, voter)) for key in keys):
        raise BadLink("this cookie was not made here")
    return voter


def _bytes(number: int, width: int) -> bytes:
    if not 0 <= number < _LARGEST:
        raise ValueError(f"ids in a token must be from 0 to {_LARGEST - 1}: {number}")
    return number.to_bytes(width, "big")


def _mac(key: bytes, purpose: str, signed: bytes) -> bytes:
    started, ended = _keyed(key, purpose)
    inner, outer = started.copy(), ended.copy()
    inner.update(signed)
    outer.update(inner.digest())
    return outer.digest()[:16]


@lru_cache(maxsize=64)
def _keyed(key: bytes, purpose: str) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """The inner and outer hash states of HMAC-SHA-256 (RFC 2104) after key and purpose. They are cached and copied for
    each token, because the standard library's hmac would hash both again every time."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))
    inner.update(purpose.encode() + b"|")
    return inner, outer


def _decode(purpose: str, token: str) -> tuple[bytes, int]:
    """The token's bytes, and the number of bytes that each id in it occupies."""
    if purpose == "bounce":
        token = token.lower()
        if _BOUNCE_TOKEN.fullmatch(token):
            return bytes.fromhex(token), 5
    elif _TOKEN.fullmatch(token):
        return urlsafe_b64decode(token), 7
    raise BadLink("this link is incomplete: please use the whole link from the letter")


def _voter_mac(key: bytes, voter: str) -> str:
    return urlsafe_b64encode(_mac(key, "voter", voter.encode("utf-8", "surrogatepass"))[:15]).decode()
