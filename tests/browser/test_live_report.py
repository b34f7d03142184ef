"""The report of a session that really runs: it appears, grows under a reader's eyes, and is final by itself."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autoresearch_dagster.core.limits import REPORT_REFRESH_S
from tests.browser.conftest import Watched
from tests.browser.test_dagster_pages import environment_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
KEY = "live-night"
RESEARCH = ("run", "--preset", "demo", "--n-experiments", "6", "--batch-size", "3", "--memory-key", KEY)
PATIENCE_S = 600
SEEN = """() => ({
  state: document.querySelector(".pill").textContent,
  open: document.querySelector(".panel.open").id,
  held: scrollY,
  moments: document.querySelectorAll(".moments > li").length,
})"""


@contextmanager
def running(home: Path, name: str, module: str, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A command of its own; it is ended with the test."""
    with (home.parent / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=home.parent,
            env=environment_of(home),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def until(true: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait for something while a process lives."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert process.poll() is None, log.read_text(errors="replace")[-2_000:]
        assert time.monotonic() < end, log.read_text(errors="replace")[-2_000:]
        time.sleep(0.2)


def test_the_report_of_a_running_session_grows_and_ends_by_itself(watched: Watched, tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "report.html"
    own = home / "reports" / "s01.html"
    with running(home, "run", "tests.docs.small", *RESEARCH) as research:
        until(own.exists, research, tmp_path / "run.log")
        words = ("report", KEY, "--watch", "--output", str(file))
        with running(home, "watch", "autoresearch_dagster.cli", *words) as watch:
            until(file.exists, watch, tmp_path / "watch.log")
            watched.page.set_viewport_size({"width": 900, "height": 300})
            page = watched.open(file, "activity")
            page.evaluate("scrollTo(0, 60)")
            first = page.evaluate(SEEN)
            assert first["state"] == "active"
            page.wait_for_function(
                f"before => ({SEEN})().moments > before", arg=first["moments"], timeout=PATIENCE_S * 1_000
            )
            later = page.evaluate(SEEN)
            assert (later["open"], later["held"]) == ("activity", 60)
            assert research.wait(PATIENCE_S) == 0, (tmp_path / "run.log").read_text()[-2_000:]
            assert watch.wait(3 * REPORT_REFRESH_S) == 0
            page.wait_for_function(f"() => ({SEEN})().state === 'finished'", timeout=3_000 * REPORT_REFRESH_S)
            assert page.evaluate("document.body.dataset.refresh") is None
            assert page.evaluate(SEEN)["open"] == "activity"
            last = page.evaluate("performance.timeOrigin")
            page.wait_for_timeout(1_500 * REPORT_REFRESH_S)
            assert page.evaluate("performance.timeOrigin") == last
