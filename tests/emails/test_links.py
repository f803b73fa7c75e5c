"""Tokens in links: what is signed comes back, and nothing else does."""

import hmac
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import settings as effort
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
    masked, mac = raw[:10], raw[10:29]
    mask = hmac.digest(key, b"mask vote|" + mac, "sha256")
    ids = bytes(one ^ other for one, other in zip(masked, mask, strict=False))
    assert ids == (7).to_bytes(5, "big") + (9).to_bytes(5, "big")
    assert mac == hmac.digest(key, b"vote|" + ids, "sha256")[:19]


@given(st.sampled_from(PURPOSES), IDS, IDS)
def test_no_token_ends_in_what_mail_programs_leave_out_of_a_link(
    purpose: links.Purpose, subject: int, delivery: int
) -> None:
    assert links.sign(KEYS, purpose, subject, delivery)[-1].isalnum()


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_token_tells_nobody_how_many_readers_there_are(purpose: links.Purpose) -> None:
    """Neighbours share no more characters than chance has it: with plain ids, nearly all before the MAC are equal."""
    tokens = [links.sign(KEYS, purpose, number, number) for number in range(1, 33)]
    masked = 20 if purpose == "bounce" else 13
    for at in range(masked):
        assert len({token[at] for token in tokens}) > 5, at


@pytest.mark.parametrize(
    ("purpose", "token", "with_the_older_key"),
    [
        ("unsubscribe", "AAAAAAAABwAAAAAAAAmRfYTfrHqGbD6EGu300UfN", "AAAAAAAABwAAAAAAAAmNxH_dnfuIcY6fuxNS75cm"),
        ("vote", "AAAAAAAABwAAAAAAAAnb9BIVG5m0W2ZKYcgbFi5O", "AAAAAAAABwAAAAAAAAn77GIMmaMCchf_w22a1p0Q"),
        ("bounce", "00000000070000000009e79ae9f1188fa60e2817", "000000000700000000092f6324fc8bc1f83654ec"),
    ],
)
def test_what_releases_before_0_6_0_sent_still_works(
    purpose: links.Purpose, token: str, with_the_older_key: str
) -> None:
    for sent in (token, with_the_older_key):
        assert links.read(KEYS, purpose, sent) == (7, 9)
        with pytest.raises(links.BadLink):
            links.read(KEYS, purpose, sent[:9] + "9" + sent[10:])
    with pytest.raises(links.BadLink):
        links.read(KEYS[:1], purpose, with_the_older_key)


# ---- what mail programs make of a link ---------------------------------------------------------------------------

OLD_THAT_ENDS_IN_A_DASH = "AAAAAAAABwAAAAAAAG0wpywf7ympds2IPUm6Xet-"
OLD_THAT_ENDS_IN_A_LINE = "AAAAAAAABwAAAAAAACADim8le00vGjQ52owkyih_"
CHANGED = (
    "{}.", "{})", "{}>", "{}=", "{}]", "<{}>", " {}\n", "{}\u00a0", "{}\u200b", "{}\u2026", "{}-", "{}_", "{}__.",
    "({})",
)  # fmt: skip


@effort(max_examples=30, deadline=None)
@given(st.sampled_from(PURPOSES[:4]), IDS, st.sampled_from(CHANGED), st.integers(1, 39))
def test_a_link_works_with_what_mail_programs_take_in_with_it(
    purpose: links.Purpose, subject: int, changed: str, at: int
) -> None:
    token = links.sign(KEYS, purpose, subject, 8)
    broken = f"{token[:at]}=\r\n{token[at:]}"
    twice = f"%{ord(token[0]):02X}{token[1:]}"
    for found in (changed.format(token), broken, twice, token):
        assert links.token_in(KEYS, purpose, found) == token


@effort(max_examples=30, deadline=None)
@given(st.sampled_from(PURPOSES[:4]), IDS)
def test_a_link_that_was_cut_is_not_guessed(purpose: links.Purpose, subject: int) -> None:
    token = links.sign(KEYS, purpose, subject, 8)
    for cut in (token[:-1], token[:-2], token[1:], token * 2, token + "A", token.upper(), token.lower(), ""):
        with pytest.raises(links.BadLink):
            links.read(KEYS, purpose, links.token_in(KEYS, purpose, cut))


def test_the_last_sign_of_an_old_token_that_a_mail_program_left_out_is_put_back() -> None:
    for token in (OLD_THAT_ENDS_IN_A_DASH, OLD_THAT_ENDS_IN_A_LINE):
        assert links.read(KEYS, "unsubscribe", token).subject == 7
        assert links.token_in(KEYS, "unsubscribe", token) == token
        assert links.token_in(KEYS, "unsubscribe", token[:-1]) == token


def test_nothing_but_its_own_last_letter_stands_at_the_end_of_a_token() -> None:
    for number in range(512):
        token = links.sign(KEYS, "unsubscribe", 7, number)
        for last in "B-_":
            with pytest.raises(links.BadLink):
                links.read(KEYS, "unsubscribe", token[:-1] + last)


# ---- Message-ID ----------------------------------------------------------------------------------------------


@given(IDS)
def test_a_message_id_names_its_delivery_to_us_alone(delivery: int) -> None:
    local = links.message_id(KEYS, delivery, "digest")
    assert local == links.message_id(KEYS, delivery, "digest")
    assert links.delivery_of_message_id(KEYS, local.upper()) == delivery
    assert links.delivery_of_message_id((b"another house", *KEYS), local) == delivery
    assert links.delivery_of_message_id(KEYS[1:], local) is None
    assert links.delivery_of_message_id(KEYS, local.replace("digest", "confirm")) is None


def test_message_ids_of_neighbours_look_unlike() -> None:
    first, second = (links.message_id(KEYS, delivery, "digest").removeprefix("digest.") for delivery in (1, 2))
    assert sum(one == other for one, other in zip(first, second, strict=True)) < 10


@pytest.mark.parametrize("local", ["", "digest", "digest.7.1763370000", "digest." + "0" * 32, "0" * 32, "digest.é"])
def test_a_message_id_that_was_not_made_here_names_no_delivery(local: str) -> None:
    assert links.delivery_of_message_id(KEYS, local) is None


# ---- bounces and bad shapes ----------------------------------------------------------------------------------


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
