"""Own votes in a letter: places that are encoded once and stand differently for whoever voted ship, skip or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails import render
from emails.letter import Letter, OwnVote, mark
from emails.messages.encoded_bodies import EncodedBodies
from emails.messages.message import EncodedLetter, Recipient
from tests.emails.test_message import DATE, ORIGIN, body, parsed, recipient
from tests.emails.test_quoted_printable import decoded, holds

LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r~{"))
SHIP, SKIP = "Your vote: ship\n", "Your vote: skip\n"
UNSUBSCRIBE = f"https://verdicts.example/unsubscribe/{mark('UNSUBSCRIBE')}"


def own(tool: int, ship: str = "You said ship", skip: str = "You said <b>skip</b>", none: str = "") -> str:
    return str(OwnVote(tool, ship, skip, none))


LETTER = Letter(
    "digest", "Larkspur vs Second Pair", "p",
    f"<p>Larkspur {own(0)}</p>\n{own(2, none='No vote yet: é')} on Inkwell\n<a href='{UNSUBSCRIBE}'>Leave</a>",
    f"Larkspur\n{own(0, SHIP, SKIP)}.\n{own(2)}\n{own(1)}{own(2)}Leave: {UNSUBSCRIBE}",
    "2026-W47",
)  # fmt: skip


def bodies_for(own_votes: str, encoded: EncodedLetter | None = None) -> tuple[str, str]:
    to = recipient()._replace(own_votes=own_votes)
    message = parsed((encoded or EncodedLetter(LETTER, ORIGIN)).message(to, DATE))
    return body(message, "html"), body(message, "plain")


@pytest.mark.parametrize("own_votes", ["", "s", "k", "-s", "--k", "sks", "kks", "s-k", "s?ks"])
def test_alice_reads_her_own_votes_in_both_bodies_as_a_preview_shows_them(own_votes: str) -> None:
    seen = LETTER.filled(recipient().marks, own_votes)
    assert bodies_for(own_votes) == (seen.html + "\n", seen.text + "\n")
    assert "{~" not in seen.html + seen.text


def test_who_has_no_vote_reads_the_piece_for_none() -> None:
    html, text = bodies_for("")
    assert html.startswith("<p>Larkspur </p>\nNo vote yet: é on Inkwell\n")
    assert text.startswith("Larkspur\n.\n\nLeave: ")
    assert bodies_for("s")[1].startswith("Larkspur\nYour vote: ship\n.\n")


def test_one_readers_votes_never_stand_in_the_next_readers_letter() -> None:
    encoded = EncodedLetter(LETTER, ORIGIN)
    before = bodies_for("", encoded)
    assert bodies_for("sks", encoded) != before
    assert bodies_for("", encoded) == before


@given(st.lists(LINES, min_size=2, max_size=4), st.tuples(LINES, LINES, LINES), st.sampled_from(["", "s", "k"]))
def test_a_piece_takes_its_place_without_moving_the_rest(
    around: list[str], said: tuple[str, str, str], own_votes: str
) -> None:
    letter = Letter("digest", "s", "p", "", own(0, *said).join(around))
    raw = EncodedLetter(letter, ORIGIN).message(Recipient("a@b.example", "<1@b.example>", "", {}, own_votes), DATE)
    written = raw.split(b"quoted-printable\r\n\r\n", 2)[1].rpartition(b"\r\n--=_")[0]
    holds(written)
    assert decoded(written) == letter.chosen(own_votes).text.removesuffix("\n") + "\n"


def test_pieces_are_escaped_in_html_and_not_in_text(tmp_path, monkeypatch) -> None:
    (tmp_path / "shown.txt").write_text('{{ own(3, ship="R&D: ship", skip=name) }}')
    (tmp_path / "shown.mjml").write_text(
        "<mjml><mj-body><mj-section><mj-column><mj-text>{{ own(3, ship='R&D: ship', skip=name) }}</mj-text>"
        "</mj-column></mj-section></mj-body></mjml>"
    )
    monkeypatch.setattr(render, "TEMPLATES", tmp_path)
    render._environment.cache_clear()
    letter = Letter("digest", "s", "p", render.html("shown", name="<i>"), render.text("shown", name="<i>"))
    render._environment.cache_clear()
    assert [letter.chosen("---" + vote).text for vote in "sk-"] == ["R&D: ship\n", "<i>\n", "\n"]
    assert "R&amp;D: ship<" in letter.chosen("---s").html
    assert "&lt;i&gt;<" in letter.chosen("---k").html


def test_a_mark_within_a_piece_is_refused_when_the_letter_is_encoded() -> None:
    with pytest.raises(ValueError, match="no mark may stand"):
        EncodedBodies.of(Letter("digest", "s", "p", own(0, ship=mark("VOTE")), "t"))


def test_the_largest_letter_has_the_longest_encoded_piece_everywhere() -> None:
    letter = Letter("digest", "s", "p", own(0, "1234", "ééé", "1"), own(1, "12", "1", "123"))
    assert (letter.largest().html, letter.largest().text) == ("ééé", "123")


# ---- kept with the digest ------------------------------------------------------------------------------------


def test_kept_bodies_give_the_same_bytes_whatever_the_templates_and_the_encoder_do_later() -> None:
    kept = EncodedBodies.of(LETTER).kept()
    later = Letter("digest", LETTER.subject, "p", UNSUBSCRIBE, UNSUBSCRIBE, LETTER.about)
    again = EncodedLetter(later, ORIGIN, bodies=EncodedBodies.read(kept))
    to = recipient()._replace(own_votes="sk-k")
    assert again.message(to, DATE) == EncodedLetter(LETTER, ORIGIN).message(to, DATE)


def test_kept_bodies_are_small_and_what_is_none_is_refused() -> None:
    letter = Letter("digest", "s", "p", LETTER.html + "<p>It flagged a caller.</p>\n" * 2000, LETTER.text)
    kept = EncodedBodies.of(letter).kept()
    assert len(kept) < 2000
    assert EncodedBodies.read(kept) == EncodedBodies.of(letter)
    with pytest.raises(ValueError, match="no kept bodies"):
        EncodedBodies.read(b"x")
