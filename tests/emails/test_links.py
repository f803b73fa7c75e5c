"""Tokens in links: what is signed comes back, and nothing else does."""

import hmac
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails import links

KEYS = (b"the newest key of the house", b"an older key of the house..")
IDS = st.integers(0, 2**40 - 1)
PURPOSES = ("confirm", "unsubscribe", "preferences", "vote", "bounce")


@given(st.sampled_from(PURPOSES), IDS, IDS)
def test_what_is_signed_comes_back(purpose: links.Purpose, subject: int, delivery: int) -> None:
    token = links.sign(KEYS, purpose, subject, delivery)
    assert len(token) == links.LENGTH
    assert links.read(KEYS, purpose, token) == (subject, delivery)


@given(IDS, st.integers(0, 39), st.characters())
def test_one_changed_letter_spoils_a_token(subject: int, place: int, letter: str) -> None:
    token = links.sign(KEYS, "unsubscribe", subject, 1)
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(links.BadLink):
            links.read(KEYS, "unsubscribe", changed)


@pytest.mark.parametrize("made_for", PURPOSES)
@pytest.mark.parametrize("used_for", PURPOSES)
def test_a_token_serves_one_purpose(made_for: links.Purpose, used_for: links.Purpose) -> None:
    if made_for != used_for:
        with pytest.raises(links.BadLink):
            links.read(KEYS, used_for, links.sign(KEYS, made_for, 7, 8))


def test_a_letter_signed_with_an_older_key_still_works() -> None:
    token = links.sign(KEYS[1:], "unsubscribe", 7)
    assert links.read(KEYS, "unsubscribe", token).subject == 7
    with pytest.raises(links.BadLink):
        links.read(KEYS[:1], "unsubscribe", token)


@pytest.mark.parametrize("key", [b"k", b"k" * 64, b"k" * 65])
def test_a_token_carries_the_librarys_own_hmac(key: bytes) -> None:
    raw = urlsafe_b64decode(links.sign([key], "vote", 7, 9))
    assert raw[14:] == hmac.digest(key, b"vote|" + raw[:14], "sha256")[:16]


def test_a_bounce_address_may_come_back_in_capitals() -> None:
    token = links.sign(KEYS, "bounce", 7, 9)
    assert links.read(KEYS, "bounce", token.upper()) == (7, 9)


@pytest.mark.parametrize("token", ["", "x", "a" * 39, "a" * 41, "ä" * 40, "a" * 39 + "\n", "=" * 40])
def test_tokens_of_every_bad_shape_are_refused(token: str) -> None:
    for purpose in PURPOSES:
        with pytest.raises(links.BadLink):
            links.read(KEYS, purpose, token)  # type: ignore[arg-type]


def test_an_id_that_does_not_fit_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="ids in a token"):
        links.sign(KEYS, "vote", 2**40)


@given(st.text(min_size=1))
def test_a_voters_cookie_comes_back(voter: str) -> None:
    assert links.read_voter(KEYS, links.sign_voter(KEYS, voter)) == voter


@pytest.mark.parametrize("key", [b"k", b"k" * 64, b"k" * 65])
def test_a_cookie_carries_the_librarys_own_hmac_too(key: bytes) -> None:
    """Browsers keep a cookie for 400 days, so what signed it once has to read it for as long."""
    voter, _, mac = links.sign_voter([key], "anonymous:alice").rpartition(".")
    assert urlsafe_b64decode(mac) == hmac.digest(key, b"voter|" + voter.encode(), "sha256")[:15]


@pytest.mark.parametrize("cookie", ["", ".", "anonymous:x", "anonymous:x.", "subscriber:7.aaaaaaaa", "ä.ä"])
def test_a_cookie_made_elsewhere_is_refused(cookie: str) -> None:
    with pytest.raises(links.BadLink):
        links.read_voter(KEYS, cookie)
