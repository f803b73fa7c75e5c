"""The letters that one person gets at a time: confirm, reminder, welcome, and an operator's alert."""

import pytest

from tests.emails.letters.seen import SAMPLES, links, parsed, shown_text
from tests.emails.people import ALICE, SITE


@pytest.mark.parametrize("name", ["confirm", "reminder"])
def test_a_letter_that_asks_has_one_sentence_and_one_button(name: str) -> None:
    letter = SAMPLES[name].filled(ALICE)
    tree = parsed(letter.html)
    assert [link for link in links(letter.html) if link != f"{SITE.base_url}/"] == [
        f"{SITE.base_url}/confirm/{ALICE['CONFIRM']}"
    ]
    assert "".join(next(each for each in tree.iter("td") if "btn-ink" in each.attrib.get("class", "")).itertext()) == (
        "Yes, subscribe me"
    )
    assert not SAMPLES[name].mailing


def test_the_confirm_letter_tells_of_the_reminder_and_the_reminder_that_it_is_the_last() -> None:
    assert "we’ll remind you once" in shown_text(SAMPLES["confirm"].html)
    assert "this is the only reminder." in SAMPLES["reminder"].preheader
    assert "we won’t email you again" in shown_text(SAMPLES["reminder"].html)


def test_the_welcome_shows_the_latest_digest_and_asks_for_an_answer() -> None:
    letter = SAMPLES["welcome"].filled(ALICE)
    for body in (shown_text(letter.html), " ".join(letter.text.split())):
        assert "Every Tuesday at 09:00, whenever something new was compared" in body
        assert "came on Tuesday 17 November 2026: Larkspur vs Second Pair, and two more comparisons." in body
        assert "Add us to your contacts. With digest@verdicts.example among them" in body
        assert "Just reply: a person reads it." in body
    assert f"{SITE.base_url}/digests/2026-W47" in links(letter.html)


def test_before_the_first_digest_the_welcome_leads_to_the_site() -> None:
    letter = SAMPLES["welcome-first"].filled(ALICE)
    assert "Read the latest comparisons" in letter.text
    assert "latest letter" not in letter.html + letter.text


def test_an_alert_gives_its_command_a_line_of_its_own() -> None:
    letter = SAMPLES["alert"]
    command = "verdicts jobs retry --group SubscriptionRequested:x:aa11"
    assert ["".join(each.itertext()) for each in parsed(letter.html).iter("code")] == [command]
    assert f"Mend the cause, then retry them:\n  {command}\n" in letter.text
    assert "41 jobs" in letter.subject
    assert "ended with ServerDisconnected" in letter.text


def test_letters_speak_plainly() -> None:
    for name, letter in SAMPLES.items():
        shown = f"{letter.subject} {letter.preheader} {shown_text(letter.html)} {letter.text}"
        for phrase in (
            "Shall we",
            "write to you",
            "Without your word",
            "a way out",
            "Here is what comes",
            "one more press",
        ):
            assert phrase not in shown, f"{name}: {phrase}"
        assert "track" in shown or letter.kind == "alert"
