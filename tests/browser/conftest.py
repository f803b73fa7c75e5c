"""A real browser in front of a real server; where there is no Chromium these tests say so and are left out."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright
from werkzeug.serving import make_server

from web.app import create_app

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
QUIET = [
    "--no-sandbox",  # CI runs as root, where Chromium has no sandbox
    "--disable-gpu",
    "--in-process-gpu",  # what is left of it, for drawing without one
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


HERE = Path(__file__).parent
_running: list[tuple[Playwright, Browser]] = []


@pytest.fixture
def chromium() -> Browser:
    """The browser, which starts with the first test of this folder and ends after the last."""
    if not _running:
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            pytest.skip(
                "no Chromium on this machine: the pages were not tried in a browser (Debian: apt install chromium)"
            )
        playwright = sync_playwright().start()
        _running.append((playwright, playwright.chromium.launch(executable_path=program, args=QUIET)))
    return _running[0][1]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Playwright occupies this thread's asyncio loop, which tests of other folders may want."""
    if _running and (nextitem is None or HERE not in nextitem.path.parents):
        playwright, browser = _running.pop()
        browser.close()
        playwright.stop()


@pytest.fixture
def database(sqlite: str) -> str:
    """What a browser shows does not depend on the kind of database."""
    return sqlite


@pytest.fixture
def site(database: str, setting) -> Iterator[str]:
    """The address of the site, served from this process."""
    server = make_server("127.0.0.1", 0, lambda environ, start: app(environ, start), threaded=True)
    setting(BASE_URL=f"http://127.0.0.1:{server.port}", PORT=server.port)
    app = create_app()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def open_browser(chromium: Browser, site: str) -> Iterator:
    """`open_browser(width=360, java_script_enabled=False)`: a page of a new visitor. Complaints of its console fail,
    and so does any request to somebody else's host."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def is_elsewhere(url: str) -> bool:
        return not url.startswith((f"{site}/", "data:", "blob:", "about:"))

    def opened(width: int = 1280, height: int = 900, **options: object) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": height}, base_url=site, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        context.on("request", lambda asked: complaints.append(f"asks {asked.url}") if is_elsewhere(asked.url) else None)
        return page

    opened.complaints = complaints  # type: ignore[attr-defined]
    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


AXE = HERE / "node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
def axe() -> Callable[[Page], list[str]]:
    """`axe(page)`: what axe finds wrong with an open page (WCAG 2.2 A and AA and its best practices), a line each.

    `only_colour` asks about contrast alone, for another colour scheme of a page that was looked at in full.
    """
    if not AXE.exists():
        pytest.skip("axe is not installed, so pages were not held against it (npm ci in tests/browser installs it)")
    source = AXE.read_text()

    def found(page: Page, *, only_colour: bool = False) -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(source)
        rules = {"type": "rule", "values": ["color-contrast"]} if only_colour else {"type": "tag", "values": RULES}
        # Of what passes nothing is worked out, and no selector is sought: the markup of what is wrong says enough.
        asked = {"runOnly": rules, "resultTypes": ["violations"], "selectors": False}
        told = page.evaluate("asked => axe.run(document, asked)", asked)
        return [
            f"{page.url}: {each['id']}, {each['help']}: {node['html'][:160]}"
            for each in told["violations"]
            for node in each["nodes"]
        ]

    return found
