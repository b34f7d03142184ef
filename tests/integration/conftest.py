"""What the tests of the command line share."""

import pytest

from tests.command_line import CommandLine


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """One home for the tests that need a bundle: it is built once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run one command in this process and return its exit code and what it printed."""
    return CommandLine(monkeypatch, capsys, tmp_path / "home")
