"""The letters in a real browser: readable in light and dark, and never wider than a phone."""

import itertools
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.emails.people import ALICE
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


@pytest.mark.parametrize("name", ["digest", "confirm"])
def test_buttons_are_large_enough_for_a_thumb(page: Page, name: str) -> None:
    page.set_content(SAMPLES[name].filled(ALICE).html)
    boxes = [button.bounding_box() for button in page.locator("a[class^=btn]").all()]
    assert boxes
    assert all(box and box["height"] >= 44 and box["width"] >= 44 for box in boxes)
