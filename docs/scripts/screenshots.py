"""Takes the pictures of the README from a session: `python -m docs.scripts.screenshots --home FOLDER`.

The home is copied and nothing of it is changed.  Chromium is the system's, driven by Playwright; the pages are what
`autoresearch dev` serves on free ports.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from mlflow.tracking import MlflowClient
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.text import Text

from autoresearch_dagster.core.experiment import Purpose
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.store.store import open_store
from docs.scripts.figure import draw

PICTURES = PROJECT_ROOT / "docs" / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 800
COLUMNS = 110
PURPOSE = "autoresearch.purpose"
START_S, SETTLE_S = 120.0, 4.0
TERMINAL = """<meta charset="utf-8"><style>body{{margin:0;background:#16181d}}
pre{{margin:0;padding:18px 22px;font:13px/1.45 "DejaVu Sans Mono","Liberation Mono",monospace;color:#e6e6e6;
display:inline-block}}</style><pre id="shot"><span style="color:#7fb4ff">$</span> {command}

{code}</pre>"""


def environment(home: Path, mlruns: Path) -> dict[str, str]:
    """Return the environment of commands on the copied home."""
    return {
        **os.environ,
        "PYTHONPATH": str(PROJECT_ROOT),
        "AUTORESEARCH_HOME": str(home),
        "AUTORESEARCH_MLRUNS": str(mlruns),
        "DAGSTER_HOME": str(home / "dagster"),
        "COLUMNS": str(COLUMNS),
    }


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def served(own: dict[str, str], *ports: int) -> Iterator[None]:
    """Run `autoresearch dev` for a while."""
    command = [sys.executable, "-m", "autoresearch_dagster.cli", "dev"]
    process = subprocess.Popen(
        [*command, "--dagster-port", str(ports[0]), "--mlflow-port", str(ports[1])],
        cwd=PROJECT_ROOT,
        env=own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for port in ports:
            until = time.monotonic() + START_S
            while time.monotonic() < until:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                    break
                except OSError:
                    time.sleep(1)
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def terminal(page: Page, own: dict[str, str], arguments: list[str], file: Path) -> None:
    """Show what a command prints, with its colours."""
    done = subprocess.run(
        [sys.executable, "-m", "autoresearch_dagster.cli", *arguments],
        cwd=PROJECT_ROOT,
        env={**own, "FORCE_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(Text.from_ansi(done.stdout), soft_wrap=True)
    code = console.export_html(inline_styles=True, code_format="{code}")
    page.set_content(TERMINAL.format(command=f"autoresearch {' '.join(arguments)}", code=code))
    page.locator("#shot").screenshot(path=str(file))


def dagster(page: Page, port: int, file: Path) -> None:
    """Show the graph of assets."""
    opened = quote(",".join(f"global@global:{group}" for group in ("bundle", "research")))
    page.set_viewport_size({"width": 1600, "height": 620})
    page.goto(f"http://127.0.0.1:{port}/asset-groups?expanded={opened}", wait_until="domcontentloaded")
    page.get_by_text("dataset_profile").first.wait_for(timeout=START_S * 1_000)
    page.get_by_text("Hide navigation").click()
    time.sleep(3 * SETTLE_S)  # states of assets come later than their names
    page.screenshot(path=str(file))


def mlflow(page: Page, port: int, tracking: str, file: Path) -> None:
    """Show the candidates of the session beside each other."""
    client = MlflowClient(tracking)
    runs = {one.experiment_id: client.search_runs([one.experiment_id]) for one in client.search_experiments()}
    experiment = max(runs, key=lambda one: len(runs[one]))
    chosen = [run.info.run_id for run in runs[experiment] if run.data.tags.get(PURPOSE) == Purpose.CANDIDATE]
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    where = f"compare-runs?runs={json.dumps(chosen)}&experiments={json.dumps([experiment])}"
    page.goto(f"http://127.0.0.1:{port}/#/{where}")
    page.get_by_text("Run details").wait_for(timeout=START_S * 1_000)
    page.get_by_role("button", name="Close").click()
    time.sleep(SETTLE_S)
    page.screenshot(path=str(file))


def report(page: Page, source: Path, file: Path) -> None:
    """Show the top of the report."""
    page.goto(source.resolve().as_uri())
    time.sleep(SETTLE_S / 2)
    page.screenshot(path=str(file))


def take(home: Path, mlruns: Path, key: str, source: Path | None) -> None:
    """Take every picture."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        shutil.copytree(home, Path(folder) / "home", symlinks=True)
        shutil.copytree(mlruns, Path(folder) / "mlruns", symlinks=True)
        own = environment(Path(folder) / "home", Path(folder) / "mlruns")
        state = open_store(Settings(home=Path(folder) / "home", database_url="")).journal.find(key)
        if state is None:
            raise SystemExit(f"There is no session {key!r} in {home}.")
        draw(state, PICTURES / "session.png")
        browser_path = next(path for name in BROWSERS if (path := shutil.which(name)))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            terminal(page, own, ["leaderboard", key], PICTURES / "terminal.png")
            if source is not None:
                report(page, source, PICTURES / "report.png")
            ports = free_port(), free_port()
            with served(own, *ports):
                dagster(page, ports[0], PICTURES / "dagster.png")
                mlflow(
                    page, ports[1], f"sqlite:///{Path(folder) / 'mlruns' / 'mlflow.db'}", PICTURES / "mlflow.png"
                )
            browser.close()


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="a home with a finished session")
    parser.add_argument("--mlruns", type=Path, help="its MLflow folder; beside the home, if none is given")
    parser.add_argument("--key", default="demo", help="memory key of the session")
    parser.add_argument("--report", type=Path, help="its report as HTML; without it that picture stays as it is")
    told = parser.parse_args()
    take(told.home, told.mlruns or told.home.parent / "mlruns", told.key, told.report)


if __name__ == "__main__":
    main()
