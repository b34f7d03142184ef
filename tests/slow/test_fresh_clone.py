"""What a newcomer does first: clone into an empty folder and run the first command of the README."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from autoresearch_dagster.containers.arguments import OWNER_LABEL
from autoresearch_dagster.core.settings import Settings

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("newcomer") / "autoresearch_dagster"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


def newcomer_environment() -> dict[str, str]:
    """The environment without anything that belongs to this checkout."""
    mine = ("AUTORESEARCH_", "DAGSTER_", "VIRTUAL_ENV", "PYTHONPATH", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)}


def test_make_demo_in_a_fresh_clone_ends_with_six_scored_experiments(clone: Path) -> None:
    done = subprocess.run(
        ["make", "demo"], cwd=clone, env=newcomer_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(r"Runner (docker|local)", done.stdout)
    assert "Leaderboard" in done.stdout
    assert "Noise floor, measured now" in done.stdout
    assert re.search(r"Champion: |No candidate is better than the baseline", done.stdout)

    listed = subprocess.run(
        [".venv/bin/autoresearch", "leaderboard", "--json"],
        cwd=clone,
        env=newcomer_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(listed.stdout)
    assert found["session"]["floor"]["n_seeds"] == 3
    rows = found["rows"]
    assert len(rows) == 6
    assert all(row["val_bpb"] is not None and row["standing"] and row["judgement"] for row in rows)
    assert sum(row["standing"] == "champion" for row in rows) <= 1
    assert len({row["key"] for row in rows}) == 6
    assert (clone / "mlruns" / "mlflow.db").exists()
    assert (clone / ".autoresearch" / "reports" / "s01.html").exists()


def test_the_demo_leaves_the_checkout_as_it_was(clone: Path) -> None:
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True
    )
    assert changed.stdout == ""


def test_no_container_is_left_behind(clone: Path) -> None:
    if shutil.which("docker") is None:
        return
    listed = subprocess.run(
        [
            "docker",
            "ps",
            "--all",
            "--quiet",
            "--filter",
            f"label={OWNER_LABEL}={Settings(home=clone / '.autoresearch').home_id}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.stdout == ""
