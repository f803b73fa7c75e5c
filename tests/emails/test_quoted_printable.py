"""Quoted-printable: whatever is written comes back, within the lines that mail allows."""

import quopri

from hypothesis import example, given
from hypothesis import strategies as st

from emails.letters import mark
from emails.messages.quoted_printable import Piece, pieces

LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r~"))


def filled(written: list[Piece], value: str = "") -> bytes:
    return b"".join(piece if isinstance(piece, bytes) else value.encode() for piece in written)


def decoded(raw: bytes) -> str:
    return quopri.decodestring(raw).decode().replace("\r\n", "\n")


def holds(raw: bytes) -> None:
    """What every road asks of a body."""
    assert raw.isascii()
    assert raw.endswith(b"\r\n")
    for line in raw.removesuffix(b"\r\n").split(b"\r\n"):
        assert len(line) <= 76
        assert b"\r" not in line
        assert b"\n" not in line
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))


@given(LINES)
@example(".\n..\n.a\nFrom me\n" + "x" * 74 + ".y" + "z" * 75)
@example("ends in a space \nand a tab\t\n \n")
@example("é" * 500 + "=" * 200 + "😀" * 100)
def test_every_text_comes_back(text: str) -> None:
    raw = filled(pieces(text))
    holds(raw)
    assert decoded(raw) == text.removesuffix("\n") + "\n"


@given(st.lists(LINES, min_size=2, max_size=5), st.sampled_from(["a" * 40, "-_" * 20, "4 March 2026"]))
@example([".", ".", "."], "x")
@example(["", "", "\n", ""], "x")
@example(["a ", " b", " "], "x")
def test_a_mark_takes_any_value_without_moving_the_rest(around: list[str], value: str) -> None:
    written = pieces(mark("VOTE").join(around))
    assert [piece for piece in written if isinstance(piece, str)] == ["VOTE"] * (len(around) - 1)
    raw = filled(written, value)
    holds(raw)
    assert decoded(raw) == value.join(around).removesuffix("\n") + "\n"
    assert raw.count(b"\r\n") == filled(written, "other").count(b"\r\n")


@given(LINES)
def test_a_mark_stands_alone_on_its_line(text: str) -> None:
    raw = filled(pieces(text + mark("VOTE") + text), "token")
    assert b"\r\ntoken" in b"\r\n" + raw
    assert b"token=\r\n" in raw or b"token\r\n" in raw


def test_all_kinds_of_line_break_become_one() -> None:
    assert filled(pieces("a\r\nb\rc\nd")) == b"a\r\nb\r\nc\r\nd\r\n"
