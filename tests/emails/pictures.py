"""Takes the pictures of the letters in docs/pictures with Chromium: python -m tests.emails.pictures [FOLDER]."""

import base64
import shutil
import struct
import sys
import zlib
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import NAMES, QUIET
from tests.emails.people import ALICE
from tests.emails.samples import OWN_VOTES, samples

PICTURES = Path(__file__).parents[2] / "docs/pictures"


class Picture(NamedTuple):
    """A letter as it is shown at a width; `high` cuts it below so many pixels."""

    name: str
    letter: str
    width: int
    scheme: Literal["light", "dark"] = "light"
    high: int | None = None


TAKEN = (
    Picture("digest", "digest", 600, high=1130),
    Picture("letter-digest", "digest", 600),
    Picture("letter-digest-phone-dark", "digest", 360, "dark", 900),
    Picture("letter-confirm", "confirm", 600),
    Picture("letter-reminder", "reminder", 600),
    Picture("letter-welcome", "welcome", 600),
    Picture("letter-alert", "alert", 600),
)


def take(folder: Path) -> None:
    """Every picture as a small PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = {name: letter.filled(ALICE, OWN_VOTES).html for name, letter in samples()}
    program = next(filter(None, map(shutil.which, NAMES)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        for picture in TAKEN:
            _take(browser, picture, letters[picture.letter], folder / f"{picture.name}.png")
        browser.close()


def _take(browser: Browser, picture: Picture, html: str, path: Path) -> None:
    page = browser.new_page(viewport={"width": picture.width, "height": picture.high or 1}, color_scheme=picture.scheme)
    page.set_content(html)
    taken = base64.b64encode(page.screenshot(full_page=picture.high is None)).decode()
    width, high, palette, pixels = page.evaluate(PALETTE, taken)
    page.close()
    path.write_bytes(_png(width, high, bytes(palette), base64.b64decode(pixels)))
    print(f"{path.name}: {path.stat().st_size:,} bytes")


# Letters have few colours: the 256 most frequent stay, and each other one takes the nearest of them.
PALETTE = """async (taken) => {
  const image = new Image();
  image.src = "data:image/png;base64," + taken;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height), drawing = canvas.getContext("2d");
  drawing.drawImage(image, 0, 0);
  const {data} = drawing.getImageData(0, 0, image.width, image.height), counts = new Map(), colours = [];
  for (let at = 0; at < data.length; at += 4) {
    colours.push(data[at] << 16 | data[at + 1] << 8 | data[at + 2]);
    counts.set(colours.at(-1), (counts.get(colours.at(-1)) || 0) + 1);
  }
  const known = [...counts].sort((one, other) => other[1] - one[1]).slice(0, 256).map(each => each[0]);
  const far = (one, other) => [16, 8, 0].reduce((sum, by) => sum + ((one >> by & 255) - (other >> by & 255)) ** 2, 0);
  const place = new Map([...counts.keys()].map(each => [each, known.reduce(
    (best, other, at) => far(each, other) < far(each, known[best]) ? at : best, 0)]));
  const pixels = new Uint8Array(colours.map(each => place.get(each)));
  return [image.width, image.height, known.flatMap(each => [each >> 16, each >> 8 & 255, each & 255]),
          await new Promise(done => { const reader = new FileReader();
            reader.onload = () => done(reader.result.split(",")[1]); reader.readAsDataURL(new Blob([pixels])); })];
}"""


def _png(width: int, high: int, palette: bytes, pixels: bytes) -> bytes:
    """A PNG with a palette (W3C PNG, sections 11.2.1 and 11.2.2), its lines unfiltered."""
    lines = b"".join(b"\0" + pixels[at : at + width] for at in range(0, width * high, width))
    head = struct.pack(">IIBBBBB", width, high, 8, 3, 0, 0, 0)
    chunks = (b"IHDR", head), (b"PLTE", palette), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
