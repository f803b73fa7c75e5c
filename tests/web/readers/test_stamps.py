"""A form's stamp tells that its sender saw a page of ours, and never anything about a reader who took their time."""

from datetime import date, timedelta

import pytest

from web.readers import stamps

KEYS = (b"new", b"old")
TODAY = date(2026, 11, 28)


@pytest.mark.parametrize(("days", "read"), [(-1, "good"), (0, "good"), (1, "good"), (2, "old"), (400, "old")])
def test_a_stamp_holds_on_its_day_and_the_next_and_is_then_only_old(days, read):
    assert stamps.read(KEYS, stamps.made(KEYS, TODAY - timedelta(days=days)), TODAY) == read


def test_a_key_that_was_replaced_still_reads_its_stamps():
    assert stamps.read(KEYS, stamps.made((b"old",), TODAY), TODAY) == "good"


def test_what_we_did_not_make_is_forged_and_nothing_is_absent():
    made = stamps.made(KEYS, TODAY)
    forged = [
        made[:-1],
        made.replace("28", "27"),
        stamps.made((b"other",), TODAY),
        "x",
        "2026-99-99." + "A" * 20,
        "٢" * 31,
    ]
    assert {stamps.read(KEYS, each, TODAY) for each in forged} == {"forged"}
    assert stamps.read(KEYS, "", TODAY) == stamps.read(KEYS, None, TODAY) == "absent"
