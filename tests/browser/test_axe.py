"""Every kind of reader page held against axe: on a phone and on a desk, by day and by night."""

import itertools
from datetime import UTC, datetime

import pytest

from db.digests import schedule
from db.session import writing
from db.settings import settings
from db.subscribers import imports
from emails import links
from worker.digests import by_hand

pytestmark = pytest.mark.browser


@pytest.fixture
def pages(catalogue) -> list[str]:
    """The address of one page of each kind."""
    now = datetime.now(UTC)
    slot = schedule.of_digests().slot_of(now)  # a slot of the past would be too late to send one day
    with writing() as s:
        imports.add_imported(s, {"alice@reader.example": None}, "They ticked a box.", "a list", now)
        by_hand.send(s, slot, now)
    token = links.sign(settings().keys, "unsubscribe", 1, 0)
    return ["/", "/archive", "/compare/quillmate-vs-inkwell", "/tools/quillmate", "/tools/inkwell", "/subscribe",
            f"/digests/{slot}", f"/unsubscribe/{token}", "/nothing-here"]  # fmt: skip


def test_no_reader_page_breaks_a_rule(open_browser, axe, pages):
    page = open_browser(reduced_motion="reduce")  # colours that fade into others are not held against axe
    wrong = []
    for address in pages:
        page.goto(address)
        for width, scheme in itertools.product((1280, 360), ("light", "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            wrong += axe(page, only_colour=scheme == "dark")  # what else there is to find is found in the light
    open_browser.complaints[:] = [said for said in open_browser.complaints if "404" not in said]
    assert wrong == []


def test_axe_would_say_it(chromium, axe):
    page = chromium.new_page()
    page.set_content("<html><title>Nothing</title><body><img src='data:,'><button></button></body></html>")
    found = " ".join(axe(page))
    page.close()
    assert "image-alt" in found
    assert "button-name" in found
    assert "html-has-lang" in found
