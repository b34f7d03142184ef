"""A headless browser on pages that this project writes: the system's own chromium, without any network."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.reports.page.build import report_html
from tests.reported import Research, researched

NAMES = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 10_000
NEXT_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
expect.set_options(timeout=WAIT_MS)


def chromium() -> str:
    """The browser's path; the test is skipped where there is none, or fails where one is required."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        sentence = f"There is no browser: none of {', '.join(NAMES)} is installed."
        if Settings().require_browser:
            pytest.fail(sentence)
        pytest.skip(sentence)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one module: while it is there, its event loop runs in this thread, and nobody else's can."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A page with everything that it complained of or asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, file: Path, at: str = "") -> Page:
        self.page.goto(file.as_uri() + (f"#{at}" if at else ""))
        self.page.wait_for_selector("html.js")
        self.page.wait_for_function(NEXT_FRAMES)  # the page takes its place once more after it was loaded
        return self.page


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A new page; whatever it does, it may neither complain nor ask for anything but its file."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    watched = Watched(context.new_page())
    yield watched
    context.close()
    assert watched.complaints == []
    assert all(url.startswith("file://") and url.partition("#")[0].endswith(".html") for url in watched.requests)


@pytest.fixture(scope="session")
def report(tmp_path_factory) -> Path:
    """The report of a session at its end."""
    file = tmp_path_factory.mktemp("report") / "done.html"
    file.write_text(report_html(researched(21).view()), encoding="utf-8")
    return file


@pytest.fixture
def live_report(tmp_path) -> Path:
    """The report of a session that goes on; it looks for news twice a second."""
    research = researched(9)
    research.events.pop()
    file = tmp_path / "live.html"
    html = report_html(research.view())
    file.write_text(html.replace('data-refresh="15"', 'data-refresh="0.5"'), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def empty_report(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("report") / "empty.html"
    file.write_text(report_html(Research().view()), encoding="utf-8")
    return file


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on servers of this machine; it asks nobody outside."""
    context = browser.new_context(viewport={"width": 1500, "height": 1000})
    context.route("**/*", _only_here)
    yield context.new_page()
    context.close()


def _only_here(route: Route) -> None:
    if route.request.url.startswith(("http://127.0.0.1", "data:", "blob:")):
        route.continue_()
    else:
        route.abort()
