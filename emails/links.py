"""Signed tokens (HMAC) for the links in letters: each names a person and a cause and cannot be forged.

A token is bound to one purpose and holds no expiry time: that is read from the row which it names. A token is always
40 characters long, so that a letter can be split around it once for all recipients.

The ids in it are masked with a second HMAC, of the first one (as in RFC 5297), so that no token tells how many readers
there are. Its last character is a letter: mail programs that make links out of plain text leave out a `-` or `_` at the
end. Tokens of releases before 0.6.0, which have neither, are still read.
"""

import contextlib
import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple
from urllib.parse import unquote

Purpose = Literal["confirm", "unsubscribe", "preferences", "vote", "bounce"]

LENGTH = 40
NOBODY = 0
"""The subject of the links in tests and previews of a letter. No row has this id, so such a link can change nothing."""
_BITS = 40
_IDS, _MAC, _BOUNCE_MAC = 2 * _BITS // 8, 19, 10
"""Bytes of a token's two ids, and of its MAC."""
_LAST = b"\0"
"""The last byte of a link's token, so that the last character is an A."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{40}", re.ASCII)
_NO_LETTER_OF_A_TOKEN = re.compile(r"[^A-Za-z0-9_-]", re.ASCII)
_BOUNCE_TOKEN = re.compile(r"[0-9a-f]{40}", re.ASCII)
_MESSAGE_ID = re.compile(r"([a-z]{1,20})\.([0-9a-f]{32})", re.ASCII)


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
    ids = (_checked(subject) << _BITS | _checked(delivery)).to_bytes(_IDS, "big")
    # Mail servers may change the case of a bounce address, so its token is hexadecimal, which holds fewer bytes.
    if purpose == "bounce":
        return _masked(keys[0], purpose, ids, _BOUNCE_MAC).hex()
    return urlsafe_b64encode(_masked(keys[0], purpose, ids, _MAC) + _LAST).decode()


def read(keys: Sequence[bytes], purpose: Purpose, token: str) -> Signed:
    """The token's content, if any of the keys signed it; else raises BadLink."""
    raw = _decode(purpose, token)
    may_be_masked = purpose == "bounce" or raw.endswith(_LAST)
    masked = raw if purpose == "bounce" else raw[: -len(_LAST)]
    for key in keys:
        if ids := (may_be_masked and _unmasked(key, purpose, masked, _IDS)) or _plain(key, purpose, raw):
            number = int.from_bytes(ids, "big")
            return Signed(number >> len(ids) * 4, number % (1 << _BITS))
    raise BadLink("this link was not made here, or not for this purpose")


def token_in(keys: Sequence[bytes], purpose: Purpose, path: str) -> str:
    """The token in the last part of a link's path, which mail programs may have changed: they take in the full stop or
    the bracket behind a link, break it where a line ended, or encode it twice. Returns what is left, for read().

    They leave out a `-` or `_` at the end, as tokens of releases before 0.6.0 may have it: it is put back.
    """
    kept = _NO_LETTER_OF_A_TOKEN.sub("", unquote(path[:1000]))
    if not kept[LENGTH:].strip("-_"):
        kept = kept[:LENGTH]
    if len(kept) == LENGTH - 1:
        for last in "-_":
            with contextlib.suppress(BadLink):
                read(keys, purpose, kept + last)
                return kept + last
    return kept


def message_id(keys: Sequence[bytes], delivery: int, letter: str) -> str:
    """The part of a delivery's Message-ID before the @ (RFC 5322 3.6.4): the same on every attempt, another for each
    recipient."""
    ids = _checked(delivery).to_bytes(_BITS // 8, "big")
    return f"{letter}.{_masked(keys[0], f'message {letter}', ids, 16 - len(ids)).hex()}"


def delivery_of_message_id(keys: Sequence[bytes], local: str) -> int | None:
    """The delivery that such a part names. None if it was not made here, and for those of releases before 0.6.0, which
    anybody could make."""
    if found := _MESSAGE_ID.fullmatch(local.lower()):
        for key in keys:
            if ids := _unmasked(key, f"message {found[1]}", bytes.fromhex(found[2]), _BITS // 8):
                return int.from_bytes(ids, "big")
    return None


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


def _checked(number: int) -> int:
    if not 0 <= number < 1 << _BITS:
        raise ValueError(f"ids in a token must be from 0 to {(1 << _BITS) - 1}: {number}")
    return number


def _masked(key: bytes, purpose: str, ids: bytes, width: int) -> bytes:
    """The masked ids, and their MAC of that many bytes."""
    mac = _mac(key, purpose, ids)[:width]
    return _exclusive_or(ids, _mac(key, "mask " + purpose, mac)) + mac


def _unmasked(key: bytes, purpose: str, masked: bytes, width: int) -> bytes | None:
    """The ids, which take that many bytes, if the key signed them."""
    mac = masked[width:]
    ids = _exclusive_or(masked[:width], _mac(key, "mask " + purpose, mac))
    return ids if hmac.compare_digest(mac, _mac(key, purpose, ids)[: len(mac)]) else None


def _plain(key: bytes, purpose: str, raw: bytes) -> bytes | None:
    """The ids of a token from before 0.6.0, if the key signed it."""
    ids, mac = (raw[:10], raw[10:]) if purpose == "bounce" else (raw[:14], raw[14:])
    return ids if hmac.compare_digest(mac, _mac(key, purpose, ids)[: len(mac)]) else None


def _exclusive_or(ids: bytes, mask: bytes) -> bytes:
    width = len(ids)
    return (int.from_bytes(ids, "big") ^ int.from_bytes(mask[:width], "big")).to_bytes(width, "big")


def _mac(key: bytes, purpose: str, content: bytes) -> bytes:
    started, ended = _keyed(key, purpose)
    inner, outer = started.copy(), ended.copy()
    inner.update(content)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=64)
def _keyed(key: bytes, purpose: str) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """The inner and outer hash states of HMAC-SHA-256 (RFC 2104) after key and purpose. They are cached and copied for
    each token, because the standard library's hmac would hash both again every time."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))
    inner.update(purpose.encode() + b"|")
    return inner, outer


def _decode(purpose: str, token: str) -> bytes:
    if purpose == "bounce":
        token = token.lower()
        if _BOUNCE_TOKEN.fullmatch(token):
            return bytes.fromhex(token)
    elif _TOKEN.fullmatch(token):
        return urlsafe_b64decode(token)
    raise BadLink("this link is incomplete: please use the whole link from the letter")


def _voter_mac(key: bytes, voter: str) -> str:
    return urlsafe_b64encode(_mac(key, "voter", voter.encode("utf-8", "surrogatepass"))[:15]).decode()
