"""The site builds without a warning, its links lead somewhere, and it loads nothing from elsewhere."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from autoresearch_dagster.core.settings import PROJECT_ROOT
from docs.scripts.hooks import LINK, TOP, in_the_site
from tests.docs.blocks import pages

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src"}
STYLES = ("stylesheet", "preload", "icon", "preconnect", "dns-prefetch", "modulepreload")


class Page(HTMLParser):
    """What a page names: places within it, links, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.blocks = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.places |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "link" and found.get("rel") in STYLES:
            self.loaded.append(found["href"])
        if tag in LOADED and found.get(LOADED[tag]):
            self.loaded.append(found[LOADED[tag]])
        self.blocks += "highlight" in found.get("class", "").split() and tag == "div"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],  # `--quiet` is not strict
        cwd=PROJECT_ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def built(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def test_every_document_is_a_page(built: dict[Path, Page], site: Path) -> None:
    made = {str(path.relative_to(site)) for path in built}
    for path in pages():
        source = str(path.relative_to(PROJECT_ROOT))
        if source.startswith("examples/"):
            continue  # it stands beside the files that it is about
        page = TOP.get(source, source.removeprefix("docs/")).removesuffix(".md")
        assert re.sub(r"README$", "index", page) + ".html" in made


def test_every_link_and_place_is_there(built: dict[Path, Page], site: Path) -> None:
    lost: list[str] = []
    for path, page in built.items():
        if path.name == "404.html":
            continue
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            target = target / "index.html" if target.is_dir() else target
            there = target in built and (not url.fragment or unquote(url.fragment) in built[target].places)
            if not there and not (target.is_file() and not url.fragment):
                lost.append(f"{path.relative_to(site)} -> {link}")
    assert lost == []


def test_nothing_is_loaded_from_elsewhere(built: dict[Path, Page], site: Path) -> None:
    for path, page in built.items():
        assert [one for one in page.loaded if urlsplit(one).netloc] == [], path
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", style.read_text(encoding="utf-8")), style


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium")
def test_search_and_dark_mode_work_without_a_network(site: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    asked: list[str] = []
    with served(site) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/noise.html")
        # by keys, as a person does: the page listens for them, and not for a value that is set
        page.get_by_placeholder("Search").first.press_sequentially("bubblewrap")
        expect(page.locator(".md-search-result__item").first).to_be_visible(timeout=60_000)
        before = page.locator("body").get_attribute("data-md-color-scheme")
        page.keyboard.press("Escape")
        page.locator("label[title=Dark]").click()
        expect(page.locator("body")).not_to_have_attribute("data-md-color-scheme", before or "", timeout=20_000)
        browser.close()
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback."""
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_code_blocks_below_a_comment_are_code(built: dict[Path, Page], site: Path) -> None:
    for name, least in (("tutorial/first_night.html", 9), ("how-to/own_corpus.html", 3), ("dagster.html", 3)):
        assert built[site / name].blocks >= least, name


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_links_lead_to_files_where_the_repository_is_shown(path: Path) -> None:
    text = re.sub(r"^( *)```.*?^\1```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in LINK.finditer(text):
        target = link["target"].partition("#")[0]
        if target and "://" not in target:
            assert (path.parent / target).exists(), f"{link['target']} in {path.name}"


@pytest.mark.parametrize(
    ("page", "written", "shown"),
    [
        ("index.md", "[a](docs/noise.md#b)", "[a](noise.md#b)"),
        ("index.md", "[a](docs/adr)", "[a](adr/README.md)"),
        ("noise.md", "[a](../ARCHITECTURE.md)", "[a](architecture.md)"),
        ("how-to/costs.md", "[a](../agent.md#c)", "[a](../agent.md#c)"),
        ("trust.md", "[a](../tests/redteam)", "a (`tests/redteam` in the repository)"),
        ("trust.md", "[a](https://x.y/z)", "[a](https://x.y/z)"),
        ("index.md", "```text\n[a](docs/noise.md)\n```\n", "```text\n[a](docs/noise.md)\n```\n"),
        ("index.md", "![a](docs/pictures/a.png)", "![a](pictures/a.png)"),
    ],
)
def test_a_link_of_the_repository_becomes_one_of_the_site(page: str, written: str, shown: str) -> None:
    assert in_the_site(written, page) == shown
