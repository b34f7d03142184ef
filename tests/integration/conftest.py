"""What the tests of the command line share."""

import shutil
import subprocess
import sys

import pytest

from tests.command_line import CommandLine
from tests.mlflow_desk import CREATE, night


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """One home for the tests that need a bundle: it is built once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run one command in this process and return its exit code and what it printed."""
    return CommandLine(monkeypatch, capsys, tmp_path / "home")


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
