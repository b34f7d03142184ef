"""Real servers whose pages a browser looks at."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page

STARTS_S = 180


class Site:
    """A running server and where its pages are; pictures go to AUTORESEARCH_SCREENSHOTS, if a person wants them."""

    def __init__(self, address: str, folder: Path, shows_ms: int) -> None:
        self.address, self._shows_ms = address, shows_ms
        self._shots = Path(os.environ.get("AUTORESEARCH_SCREENSHOTS", folder))

    def open(self, page: Page, path: str, *, shows: str) -> Page:
        """Open a page and wait for a text of it."""
        page.goto(f"{self.address}{path}")
        page.get_by_text(shows).first.wait_for(timeout=self._shows_ms)
        return page

    def keep(self, page: Page, name: str) -> None:
        """Take a picture, for a person."""
        page.wait_for_timeout(1000)
        page.screenshot(path=str(self._shots / f"{name}.png"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextmanager
def served(
    line: Sequence[str], environment: Mapping[str, str], folder: Path, answers_at: str, *, patience_s: float = 0.0
) -> Iterator[None]:
    """Run a server in a folder once it answers at an address; it has `patience_s` to end when it is asked to."""
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(line, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(answers_at, server, folder / "log")
        yield
    finally:
        os.killpg(server.pid, signal.SIGINT if patience_s else signal.SIGKILL)
        try:
            server.wait(patience_s or None)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + STARTS_S
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(log.read_text(errors="replace")[-2000:])
