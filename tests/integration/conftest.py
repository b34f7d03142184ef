"""What tests of the command line and of sessions share."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.experiments.laboratory import Laboratory
from tests.command_line import CommandLine
from tests.mlflow_desk import CREATE, night
from tests.scored import small_lab


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """One home for the tests that need a bundle: it is built once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run one command in this process and return its exit code and what it printed."""
    return CommandLine(monkeypatch, capsys, tmp_path / "home")


@pytest.fixture
def lab(tmp_path: Path, bundle: Bundle) -> Laboratory:
    """A laboratory whose runner starts nothing, in a new home."""
    return small_lab(tmp_path / "home", bundle)


@pytest.fixture(scope="session")
def empty_mlruns(tmp_path_factory):
    """An MLflow database (seven seconds), made once by a process of its own, and what that process said."""
    folder = tmp_path_factory.mktemp("mlflow")
    made = subprocess.run(
        [sys.executable, "-c", CREATE, str(folder / "home"), str(folder / "mlruns")],
        capture_output=True,
        text=True,
        check=False,
    )
    return folder / "mlruns", made


@pytest.fixture
def desk(tmp_path, empty_mlruns):
    """A session of one night and an MLflow database that does not show it yet."""
    shutil.copytree(empty_mlruns[0], tmp_path / "mlruns")
    return night(tmp_path / "home", tmp_path / "mlruns")
