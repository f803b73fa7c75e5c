"""The letters in a real browser: readable in light and dark, and never wider than a phone."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page

from emails import letters
from emails.letters import DigestContent
from tests.emails import catalogues
from tests.emails.awkward import AWKWARD
from tests.emails.people import ALICE, FIRST, LARKSPUR, SECOND_PAIR, SITE, TOLD, WEEK
from tests.emails.samples import samples

pytestmark = pytest.mark.browser

SAMPLES = dict(samples())

# Every run of text with its own colour, the nearest background behind it, and its size.
RUNS = """() => {
  const runs = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    let behind = element;
    while (behind && getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
    const ground = getComputedStyle(behind || document.body).backgroundColor;
    runs.push([text, style.color, ground, parseFloat(style.fontSize)]);
  }
  return runs;
}"""

LOOK = f"""() => [
  ({RUNS})(), document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor,
]"""


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance of a colour as the browser writes it."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    opened = chromium.new_page(viewport={"width": 360, "height": 900})
    yield opened
    opened.close()


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_letter_can_be_read(page: Page, name: str) -> None:
    page.set_content(SAMPLES[name].filled(ALICE).html)
    for width, scheme in itertools.product((360, 600), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert_readable(page, width, scheme)


def assert_readable(page: Page, width: int, scheme: str) -> None:
    runs, overflow, grounds = page.evaluate(LOOK)
    assert overflow == width
    assert len(runs) > 10
    assert (luminance(grounds) < 0.1) == (scheme == "dark")
    weak = [(text, colour, ground) for text, colour, ground, _ in runs if contrast(colour, ground) < 4.5]
    assert weak == []
    assert [(text, size) for text, _, _, size in runs if size < 15] == []


BOXES = """selector => [...document.querySelectorAll(selector)].map(each => {
  const box = each.getBoundingClientRect();
  return [box.left, box.top, box.width, box.height];
})"""
ANY_BUTTON, ROWS = "td[class^=btn-] a", "td[width='168'] a"


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_buttons_are_large_enough_for_a_thumb(page: Page, name: str) -> None:
    page.set_content(SAMPLES[name].filled(ALICE).html)
    boxes, rows = page.evaluate(BOXES, ANY_BUTTON), page.evaluate(BOXES, ROWS)
    assert boxes
    assert all(width >= 44 and height >= (36 if box in rows else 44) for box in boxes for _, _, width, height in [box])
    for one, other in zip(rows[::2], rows[1::2], strict=True):
        assert other[0] - (one[0] + one[2]) >= 16
        assert other[1] == one[1]


def wordy() -> DigestContent:
    """A week whose texts are as long as the letter lets them be, in one column, and short in the other."""
    line = "It reads the whole repository before anybody asks, and answers in the words of your own team. " * 4
    long = replace(LARKSPUR, name="Larkspur Review for Teams", category="Developer Tools and Code", tagline=line)
    several = [replace(FIRST, question=line, tools=(long, SECOND_PAIR)), *WEEK.comparisons[1:], *WEEK.comparisons[1:]]
    return replace(WEEK, comparisons=tuple(several))


@pytest.mark.parametrize("name", sorted(AWKWARD))
def test_an_awkward_week_can_be_read_and_voted_on(page: Page, name: str) -> None:
    html = letters.digest(AWKWARD[name], SITE).filled(ALICE, "sksk").html
    page.set_content(html)
    for width, scheme in ((320, "light"), (600, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert_readable(page, width, scheme)
        boxes, rows = page.evaluate(BOXES, ANY_BUTTON), page.evaluate(BOXES, ROWS)
        assert all(box[2] >= 44 and box[3] >= (36 if box in rows else 44) for box in boxes)
        assert all(left >= 0 and left + wide <= width for left, _, wide, _ in boxes)
    assert len({box[1] for box in page.evaluate(BOXES, ANY_BUTTON)[:4]}) == 1


@pytest.mark.parametrize("name", [*sorted(SAMPLES), "hundred"])
def test_a_letter_holds_without_its_styles(page: Page, name: str) -> None:
    """As Gmail shows it to accounts of other providers, and Outlook for the most part."""
    html = (SAMPLES.get(name) or letters.digest(AWKWARD[name], SITE)).filled(ALICE).html
    page.set_content(re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL))
    page.set_viewport_size({"width": 600, "height": 900})
    runs, overflow, _ = page.evaluate(LOOK)
    assert overflow <= 616  # the browser's own margin of the body
    assert [(text, colour, ground) for text, colour, ground, _ in runs if contrast(colour, ground) < 4.5] == []
    assert all(box[2] >= 44 and box[3] >= 36 for box in page.evaluate(BOXES, ANY_BUTTON))


NEAR = {"a week": TOLD, "a wordy week": wordy(), "right to left": AWKWARD["right-to-left"], "fifty": AWKWARD["fifty"]}


@pytest.mark.parametrize("content", NEAR.values(), ids=NEAR)
def test_the_vote_is_near_the_top_and_its_buttons_stand_level(page: Page, content: DigestContent) -> None:
    letter = letters.digest(content, SITE)
    page.set_content(letter.filled(ALICE, "s").html)
    first = page.evaluate(BOXES, ANY_BUTTON)[0]
    assert first[1] + first[3] <= 900  # on a phone
    page.set_viewport_size({"width": 600, "height": 900})
    level = {box[1] for box in page.evaluate(BOXES, ANY_BUTTON)[:4]}
    assert len(level) == 1


def test_the_vote_is_near_the_top_for_catalogues_made_at_random(page: Page) -> None:
    for number in range(25):
        page.set_viewport_size({"width": 360, "height": 900})
        page.set_content(letters.digest(catalogues.week(number), SITE).filled(ALICE, "s").html)
        first = page.evaluate(BOXES, ANY_BUTTON)[0]
        assert (number, first[1] + first[3]) <= (number, 900)
        page.set_viewport_size({"width": 600, "height": 900})
        buttons = page.evaluate(BOXES, ANY_BUTTON)[:4]
        assert (number, len({box[1] for box in buttons})) == (number, 1)
        assert (number, page.evaluate("document.documentElement.scrollWidth")) == (number, 600)
