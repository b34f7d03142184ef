"""A headless browser: the distribution's chromium, driven by Playwright."""

import shutil

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser():
    """One chromium for all tests; skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser):
    """A fresh window that asks nobody outside this machine."""
    context = browser.new_context(viewport={"width": 1500, "height": 1000})
    context.route("**/*", _only_here)
    yield context.new_page()
    context.close()


def _only_here(route):
    here = route.request.url.startswith(("http://127.0.0.1", "data:", "blob:", "file:"))
    return route.continue_() if here else route.abort()
